"""What the routes of the gateway's API do."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from piswarm import __version__
from piswarm.gateway.body import read_body
from piswarm.gateway.deployment import (
    parse_deployment,
    parse_document,
    parse_name,
    parse_replicas,
    without_namespace,
)
from piswarm.gateway.faults import NotOffered, Unavailable
from piswarm.gateway.follower import Follower
from piswarm.gateway.replicas import ReplicaWaiter
from piswarm.gateway.swarm import Swarm


@dataclass(frozen=True)
class Api:
    """What the API's routes act on.

    Attributes:
        swarm: the functions.
        follower: what keeps HAProxy's routes equal to them.
        waiter: what waits for replicas.
    """

    swarm: Swarm
    follower: Follower
    waiter: ReplicaWaiter

    # Functions -----------------------------------------------------------------------------------

    async def list_functions(self, _: Request) -> Response:
        """Answer with every function."""
        functions = await run_in_threadpool(self.swarm.functions)
        return JSONResponse([function.to_json() for function in functions])

    async def describe_function(self, request: Request) -> Response:
        """Answer with one function."""
        name = without_namespace(request.path_params["name"])
        function = await run_in_threadpool(self.swarm.function, name)
        return JSONResponse(function.to_json())

    async def deploy_function(self, request: Request) -> Response:
        """Deploy a new function."""
        spec = parse_deployment(parse_document(await read_body(request)))
        await run_in_threadpool(self.swarm.create, spec)
        await self.follower.sync()
        return Response(status_code=202)

    async def update_function(self, request: Request) -> Response:
        """Deploy a function anew."""
        spec = parse_deployment(parse_document(await read_body(request)))
        await run_in_threadpool(self.swarm.update, spec)
        await self.follower.sync()
        return Response(status_code=202)

    async def delete_function(self, request: Request) -> Response:
        """Remove a function."""
        name = parse_name(parse_document(await read_body(request)), "functionName")
        await run_in_threadpool(self.swarm.remove, name)
        await self.follower.sync()
        return Response(status_code=202)

    async def scale_function(self, request: Request) -> Response:
        """Set the number of a function's replicas; the path says which function."""
        replicas = parse_replicas(parse_document(await read_body(request)))
        await run_in_threadpool(self.swarm.scale, without_namespace(request.path_params["name"]), replicas)
        await self.follower.sync()
        return Response(status_code=202)

    # For HAProxy ---------------------------------------------------------------------------------

    async def replica(self, request: Request) -> Response:
        """Answer as soon as a replica of the function runs; a call of the function may do as much."""
        await self.waiter.wait(request.path_params["name"])
        return Response(status_code=204)

    # About the gateway ---------------------------------------------------------------------------

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

    async def no_queue(self, _: Request) -> Response:
        """Refuse calls that would have to wait in a queue."""
        raise NotOffered("This gateway has no queue: call /function/ instead of /async-function/.")
