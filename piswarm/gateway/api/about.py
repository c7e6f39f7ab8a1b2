"""About the gateway itself, and what it does not offer."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from piswarm import __version__
from piswarm.gateway.faults import NotOffered, Unavailable
from piswarm.gateway.follower import Follower
from piswarm.gateway.function import NAMESPACE
from piswarm.gateway.openapi import openapi


@dataclass(frozen=True)
class AboutApi:
    """The routes about the gateway.

    Attributes:
        follower: what keeps HAProxy's routes equal to the Swarm's functions.
    """

    follower: Follower

    async def info(self, _: Request) -> Response:
        """Answer with what this gateway is."""
        version = {"sha": "", "release": __version__}
        provider = {"provider": "piswarm", "version": version, "orchestration": "swarm"}
        return JSONResponse({"provider": provider, "version": version, "arch": platform.machine()})

    async def health(self, _: Request) -> Response:
        """Answer whether requests are routed by what the Swarm says."""
        if self.follower.trouble:
            raise Unavailable(self.follower.trouble)
        return PlainTextResponse("OK")

    async def openapi(self, _: Request) -> Response:
        """Answer with the description of the API."""
        return JSONResponse(openapi())

    async def namespaces(self, _: Request) -> Response:
        """Answer with the one namespace that there is."""
        return JSONResponse([NAMESPACE])

    async def no_namespaces(self, _: Request) -> Response:
        """Refuse to make, change or remove namespaces."""
        raise NotOffered(f"This gateway has one namespace, {NAMESPACE}.")

    async def no_queue(self, _: Request) -> Response:
        """Refuse calls that would have to wait in a queue."""
        raise NotOffered("This gateway has no queue: call /function/ instead of /async-function/.")

    async def no_alerts(self, _: Request) -> Response:
        """Refuse alerts: nothing scales by them."""
        raise NotOffered("This gateway does not scale by alerts.")
