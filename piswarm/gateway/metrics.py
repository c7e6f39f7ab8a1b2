"""The gateway's metrics, under the names that OpenFaaS's dashboards know."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from piswarm.gateway.calls import NONE, Calls
from piswarm.gateway.function import Function
from piswarm.gateway.tally import BUCKETS_S, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (*map(str, BUCKETS_S), "+Inf")


class ApiMetrics:
    """Counts the API's own requests, by route and never by path.

    Args:
        app: the application to count for.
        registry: where the counters are kept.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        labels = ("method", "path", "status")
        self._app = app
        self._total = Counter("http_requests", "Requests to the gateway's API.", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds", "Seconds to answer a request.", labels, registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count it when its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                labels = (scope["method"], _route(scope), str(message["status"]))
                self._total.labels(*labels).inc()
                self._seconds.labels(*labels).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, counted)


def render_metrics(
    registry: CollectorRegistry,
    functions: Iterable[Function],
    calls: Mapping[str, Calls],
    tallies: Mapping[str, Tally],
) -> bytes:
    """Return everything in Prometheus's text format.

    Args:
        registry: the API's own counters.
        functions: the functions.
        calls: their calls so far, through this gateway.
        tallies: how these ended.
    """
    moment = CollectorRegistry()
    moment.register(_Functions(list(functions), calls, tallies))
    return generate_latest(moment) + generate_latest(registry)


class _Functions(Collector):
    """The functions' figures at one moment."""

    def __init__(
        self, functions: list[Function], calls: Mapping[str, Calls], tallies: Mapping[str, Tally]
    ) -> None:
        self._functions = functions
        self._calls = calls
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        labels = ("function_name",)
        answers = CounterMetricFamily(
            "gateway_function_invocation", "Answered calls.", labels=(*labels, "code")
        )
        # A counter's name would get "_total" at its end, and the contract's has none.
        started = UnknownMetricFamily("gateway_function_invocation_started", "Calls.", labels=labels)
        seconds = HistogramMetricFamily(
            "gateway_functions_seconds", "Seconds from call to answer.", labels=labels
        )
        replicas = GaugeMetricFamily("gateway_service_count", "Replicas.", labels=labels)
        queued = GaugeMetricFamily("gateway_function_queued", "Waiting calls.", labels=labels)
        for function in self._functions:
            name = (function.spec.name,)
            calls = self._calls.get(function.spec.name, NONE)
            tally = self._tallies.get(function.spec.name, Tally())
            for status, count in tally.statuses.items():
                answers.add_metric((*name, str(status)), count)
            started.add_metric(name, calls.answered + calls.under_way + calls.queued)
            seconds.add_metric(name, list(zip(_BOUNDS, tally.buckets, strict=True)), tally.seconds)
            replicas.add_metric(name, function.available)
            queued.add_metric(name, calls.queued)
        yield from (answers, started, seconds, replicas, queued)


def _route(scope: Scope) -> str:
    """Return the pattern of the route that answered: names of functions do not become label values."""
    endpoint = scope.get("endpoint")
    for route in scope["app"].routes if endpoint is not None else ():
        if endpoint in (getattr(route, "endpoint", None), getattr(route, "app", None)):
            return str(route.path)
    return "other"
