"""Asking registries about images, with the cluster's credentials."""

from __future__ import annotations

import logging
from typing import Any

import docker
import docker.errors

from piswarm.gateway.faults import BadRequest, Fault
from piswarm.gateway.image import Image, read_image
from piswarm.gateway.swarm.engine import translated

# The engine answers 500 for most refusals and passes the registry's words on.
_REFUSALS = (
    "unauthorized",
    "denied",
    "no basic auth credentials",
    "manifest unknown",
    "not found",
    "invalid reference",
)

log = logging.getLogger(__name__)


class EngineImages:
    """Images, through the engine.

    Args:
        client: the engine.
    """

    def __init__(self, client: docker.DockerClient) -> None:
        self._api: Any = client.api

    def inspect(self, reference: str) -> Image | None:
        """Return what the registry tells about an image, or None when it cannot be asked.

        Raises:
            BadRequest: the registry says that there is no such image, or that we may not have it.
        """
        try:
            with translated():
                return read_image(self._api.inspect_distribution(reference))
        except Fault as exc:
            gone = isinstance(exc.__cause__, docker.errors.NotFound)
            if gone or any(word in str(exc) for word in _REFUSALS):
                raise BadRequest(f"Deployment error: no image {reference}: {exc}") from exc
            log.warning("The registry of %s cannot be asked: %s", reference, exc)
            return None
