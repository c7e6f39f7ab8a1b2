"""Nodes, for the page."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from piswarm.gateway.swarm import Nodes


@dataclass(frozen=True)
class NodesApi:
    """The route about nodes.

    Attributes:
        nodes: the nodes of the cluster.
    """

    nodes: Nodes

    async def list(self, _: Request) -> Response:
        """Answer with every node."""
        nodes = await run_in_threadpool(self.nodes.all)
        return JSONResponse([node.to_json() for node in nodes])
