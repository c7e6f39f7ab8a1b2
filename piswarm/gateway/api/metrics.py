"""Metrics, for whoever collects them."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from piswarm.gateway.metrics import CONTENT_TYPE, render_metrics
from piswarm.gateway.swarm import Functions
from piswarm.gateway.tallier import Tallier


@dataclass(frozen=True)
class MetricsApi:
    """The route about metrics.

    Attributes:
        functions: the functions.
        tallier: tells how many calls they had and how these ended.
        registry: the API's own counters.
    """

    functions: Functions
    tallier: Tallier
    registry: CollectorRegistry

    async def read(self, _: Request) -> Response:
        """Answer with everything that is counted."""
        functions = await run_in_threadpool(self.functions.all)
        calls, tallies = await run_in_threadpool(self.tallier.now)
        content = render_metrics(self.registry, functions, calls, tallies)
        return Response(content, headers={"Content-Type": CONTENT_TYPE})
