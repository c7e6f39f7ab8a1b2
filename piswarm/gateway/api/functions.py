"""Functions: list, describe, deploy, update, delete, scale; and waiting for a replica."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from piswarm.gateway.api.body import read_document
from piswarm.gateway.calls import NONE
from piswarm.gateway.deployment import (
    parse_deployment,
    parse_name,
    parse_replicas,
    without_namespace,
)
from piswarm.gateway.follower import Follower
from piswarm.gateway.peers import CallCounts
from piswarm.gateway.replicas import ReplicaWaiter
from piswarm.gateway.swarm import Functions


@dataclass(frozen=True)
class FunctionsApi:
    """The routes about functions.

    Attributes:
        functions: the functions.
        follower: what keeps HAProxy's routes equal to them.
        waiter: what waits for replicas.
        counts: the functions' calls.
    """

    functions: Functions
    follower: Follower
    waiter: ReplicaWaiter
    counts: CallCounts

    async def list(self, _: Request) -> Response:
        """Answer with every function."""
        functions = await run_in_threadpool(self.functions.all)
        calls = await self.counts.everywhere()
        return JSONResponse([one.to_json(calls.get(one.spec.name, NONE)) for one in functions])

    async def describe(self, request: Request) -> Response:
        """Answer with one function."""
        name = without_namespace(request.path_params["name"])
        function = await run_in_threadpool(self.functions.one, name)
        calls = await self.counts.everywhere()
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

    async def calls(self, _: Request) -> Response:
        """Answer with the calls that this gateway has carried, for the gateways of the other managers."""
        return JSONResponse(await self.counts.share())

    async def replica(self, request: Request) -> Response:
        """Answer with the replicas' addresses, a line each, as soon as one runs.

        It wakes the function; a call of the function may do as much.
        """
        addresses = await self.waiter.wait(request.path_params["name"])
        return PlainTextResponse("\n".join(addresses))
