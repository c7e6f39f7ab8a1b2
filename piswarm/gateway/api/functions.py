"""Functions: list, describe, deploy, update, delete, scale; and waiting for a replica."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from piswarm.gateway.api.body import read_document
from piswarm.gateway.calls import NONE, Calls
from piswarm.gateway.deployment import (
    parse_deployment,
    parse_name,
    parse_replicas,
    without_namespace,
)
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy import DataPlaneError, Proxy
from piswarm.gateway.replicas import ReplicaWaiter
from piswarm.gateway.swarm import Functions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FunctionsApi:
    """The routes about functions.

    Attributes:
        functions: the functions.
        follower: what keeps HAProxy's routes equal to them.
        waiter: what waits for replicas.
        proxy: what carries and counts the calls.
    """

    functions: Functions
    follower: Follower
    waiter: ReplicaWaiter
    proxy: Proxy

    async def list(self, _: Request) -> Response:
        """Answer with every function."""
        functions = await run_in_threadpool(self.functions.all)
        calls = await run_in_threadpool(self._calls)
        return JSONResponse([one.to_json(calls.get(one.spec.name, NONE)) for one in functions])

    async def describe(self, request: Request) -> Response:
        """Answer with one function."""
        name = without_namespace(request.path_params["name"])
        function = await run_in_threadpool(self.functions.one, name)
        calls = await run_in_threadpool(self._calls)
        return JSONResponse(function.to_json(calls.get(name, NONE)))

    async def deploy(self, request: Request) -> Response:
        """Deploy a new function."""
        spec = parse_deployment(await read_document(request))
        await run_in_threadpool(self.functions.create, spec)
        await self.follower.sync()
        return Response(status_code=202)

    async def update(self, request: Request) -> Response:
        """Deploy a function anew."""
        spec = parse_deployment(await read_document(request))
        await run_in_threadpool(self.functions.update, spec)
        await self.follower.sync()
        return Response(status_code=202)

    async def delete(self, request: Request) -> Response:
        """Remove a function."""
        name = parse_name(await read_document(request), "functionName")
        await run_in_threadpool(self.functions.remove, name)
        await self.follower.sync()
        return Response(status_code=202)

    async def scale(self, request: Request) -> Response:
        """Set the number of a function's replicas; the path says which function."""
        replicas = parse_replicas(await read_document(request))
        await run_in_threadpool(
            self.functions.scale, without_namespace(request.path_params["name"]), replicas
        )
        await self.follower.sync()
        return Response(status_code=202)

    async def replica(self, request: Request) -> Response:
        """Answer as soon as a replica of the function runs; a call of the function may do as much."""
        await self.waiter.wait(request.path_params["name"])
        return Response(status_code=204)

    def _calls(self) -> dict[str, Calls]:
        """Return the counted calls; a list without them is better than none."""
        try:
            return self.proxy.calls()
        except DataPlaneError as exc:
            log.warning("The functions are told without their calls: %s", exc)
            return {}
