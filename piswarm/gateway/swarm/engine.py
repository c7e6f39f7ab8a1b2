"""The engine of this manager, and its exceptions as faults of the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests.exceptions
import urllib3.exceptions

from piswarm.gateway import faults

OWNER_LABEL = "com.openfaas.owner"
OWNER = "openfaas"
"""Marks the Swarm secrets that functions may use."""

_OUT_OF_SEQUENCE = "update out of sequence"


@contextmanager
def translated(missing: str = "", conflict: str = "") -> Iterator[None]:
    """Turn the SDK's exceptions into faults.

    Args:
        missing: what to say when the engine does not know the thing.
        conflict: what to say when the engine has such a thing already.
    """
    try:
        yield
    except docker.errors.APIError as exc:
        raise _fault(exc, missing, conflict) from exc
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
    ) as exc:
        raise faults.Unavailable(f"The engine of this manager does not answer: {exc}.") from exc


def _fault(exc: docker.errors.APIError, missing: str, conflict: str) -> faults.Fault:
    explanation = str(exc.explanation or exc)
    status = exc.status_code
    if _OUT_OF_SEQUENCE in explanation:
        return faults.Overtaken(explanation)
    if status == 404 and missing:
        return faults.NotFound(missing)
    if status == 409 and conflict:
        return faults.Conflict(conflict)
    if status == 400:
        return faults.BadRequest(explanation)
    if status == 503:
        return faults.Unavailable(f"The Swarm cannot answer: {explanation}")
    return faults.Fault(f"The engine refuses: {explanation}")
