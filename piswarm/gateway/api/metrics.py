"""Metrics, for whoever collects them."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from piswarm.gateway.haproxy import Proxy
from piswarm.gateway.metrics import CONTENT_TYPE, render_metrics
from piswarm.gateway.swarm import Functions


@dataclass(frozen=True)
class MetricsApi:
    """The route about metrics.

    Attributes:
        functions: the functions.
        proxy: what carries and counts their calls.
        registry: the API's own counters.
    """

    functions: Functions
    proxy: Proxy
    registry: CollectorRegistry

    async def read(self, _: Request) -> Response:
        """Answer with everything that is counted."""
        functions = await run_in_threadpool(self.functions.all)
        calls = await run_in_threadpool(self.proxy.calls)
        content = render_metrics(self.registry, functions, calls)
        return Response(content, headers={"Content-Type": CONTENT_TYPE})
