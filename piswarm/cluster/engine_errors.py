"""The Docker SDK's exceptions as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from docker.errors import APIError, DockerException

from piswarm.errors import SwarmError


@contextmanager
def explained(node: str, hint: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what the Docker SDK raises in the `with` block into errors that name the node.

    Args:
        node: the node whose engine is used.
        hint: what to do when it does not answer.
        more: what the way to the engine raises besides when it is broken.

    Raises:
        SwarmError: the engine does not answer, or refuses what is asked of it.
    """
    try:
        yield
    except APIError as error:
        explanation = str(error.explanation or error).strip().rstrip(".")
        raise SwarmError(f"{node}: Docker refused: {explanation}.") from error
    except (DockerException, requests.RequestException, OSError, *more) as error:
        raise SwarmError(f"{node}: the Docker engine does not answer ({error}).", hint) from error
