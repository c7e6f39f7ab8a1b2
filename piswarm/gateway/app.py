"""The controller: the gateway's API and page, behind HAProxy on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles

from piswarm.errors import PiswarmError
from piswarm.gateway.api.about import AboutApi
from piswarm.gateway.api.functions import FunctionsApi
from piswarm.gateway.api.hooks import HooksApi
from piswarm.gateway.api.logs import HEARTBEAT_S, LogsApi
from piswarm.gateway.api.metrics import MetricsApi
from piswarm.gateway.api.nodes import NodesApi
from piswarm.gateway.api.secrets import SecretsApi
from piswarm.gateway.authentication import BasicAuthentication, Credentials
from piswarm.gateway.faults import Fault
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy import Proxy
from piswarm.gateway.metrics import ApiMetrics
from piswarm.gateway.peers import CALLS_PATH, CallCounts
from piswarm.gateway.replicas import ReplicaWaiter
from piswarm.gateway.swarm import Swarm
from piswarm.gateway.tallier import Tallier

_PAGE = Path(__file__).with_name("ui")

log = logging.getLogger(__name__)


def create_app(
    credentials: Credentials,
    swarm: Swarm,
    proxy: Proxy,
    follower: Follower,
    tallier: Tallier,
    waiter: ReplicaWaiter | None = None,
    find_gateways: Callable[[], Sequence[str]] = tuple,
    heartbeat_s: float = HEARTBEAT_S,
) -> Starlette:
    """Return the controller.

    Args:
        credentials: who may use the API and the page.
        swarm: the cluster.
        proxy: what carries the calls.
        follower: keeps HAProxy's routes equal to them; runs as long as the controller does.
        tallier: tells how calls ended.
        waiter: waits for replicas (default: with the usual patience).
        find_gateways: returns `HOST:PORT` of every gateway of the cluster (default: there is no other).
        heartbeat_s: seconds of silence after which a follower of logs gets an empty line.
    """
    registry = CollectorRegistry()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(follower.run())
        yield
        following.cancel()

    return Starlette(
        routes=routes(
            FunctionsApi(
                swarm.functions,
                follower,
                waiter or ReplicaWaiter(swarm.functions),
                CallCounts(proxy, credentials, find_gateways),
            ),
            SecretsApi(swarm.secrets),
            LogsApi(swarm.logs, heartbeat_s),
            NodesApi(swarm.nodes),
            HooksApi(credentials, swarm.functions, swarm.deployer),
            MetricsApi(swarm.functions, tallier, registry),
            AboutApi(follower),
        ),
        middleware=[
            Middleware(ApiMetrics, registry=registry),
            Middleware(BasicAuthentication, credentials=credentials),
        ],
        exception_handlers={PiswarmError: _refuse, HTTPException: _refuse_by_framework, Exception: _fail},
        lifespan=lifespan,
    )


def routes(
    functions: FunctionsApi,
    secrets: SecretsApi,
    logs: LogsApi,
    nodes: NodesApi,
    hooks: HooksApi,
    metrics: MetricsApi,
    about: AboutApi,
) -> list[BaseRoute]:
    """Return every route of the controller."""
    return [
        Route("/system/functions", functions.list, methods=["GET"]),
        Route("/system/functions", functions.deploy, methods=["POST"]),
        Route("/system/functions", functions.update, methods=["PUT"]),
        Route("/system/functions", functions.delete, methods=["DELETE"]),
        Route("/system/function/{name}", functions.describe, methods=["GET"]),
        Route("/system/scale-function/{name}", functions.scale, methods=["POST"]),
        Route(CALLS_PATH, functions.calls, methods=["GET"]),
        Route("/system/secrets", secrets.list, methods=["GET"]),
        Route("/system/secrets", secrets.create, methods=["POST"]),
        Route("/system/secrets", secrets.update, methods=["PUT"]),
        Route("/system/secrets", secrets.delete, methods=["DELETE"]),
        Route("/system/logs", logs.read, methods=["GET"]),
        Route("/system/nodes", nodes.list, methods=["GET"]),
        Route("/system/hooks/git/{name}", hooks.git, methods=["POST"]),
        Route("/system/info", about.info, methods=["GET"]),
        Route("/system/openapi.json", about.openapi, methods=["GET"]),
        Route("/system/namespaces", about.namespaces, methods=["GET"]),
        Route("/system/namespace/{path:path}", about.no_namespaces, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/system/alert", about.no_alerts, methods=["POST"]),
        Route("/async-function/{path:path}", about.no_queue, methods=["POST"]),
        Route("/replica/{name}", functions.replica, methods=["GET"]),
        Route("/metrics", metrics.read, methods=["GET"]),
        Route("/healthz", about.health, methods=["GET"]),
        Route("/", _to_page, methods=["GET"]),
        Mount("/ui", StaticFiles(directory=_PAGE, html=True)),
    ]


async def _to_page(_: Request) -> Response:
    return RedirectResponse("/ui/", 301)


async def _refuse(_: Request, exc: Exception) -> Response:
    status = exc.status if isinstance(exc, Fault) else 500
    return _text(f"{exc}\n", status)


async def _refuse_by_framework(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  (registered for nothing else)
    text = "404 page not found" if exc.status_code == 404 else exc.detail
    headers = {"Allow": ", ".join(_methods(request))} if exc.status_code == 405 else exc.headers
    return _text(f"{text}\n", exc.status_code, headers)


def _methods(request: Request) -> list[str]:
    """Return the methods of all routes of the request's path; Starlette tells only the first route's."""
    routes = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in routes for method in getattr(route, "methods", ())})


async def _fail(request: Request, _: Exception) -> Response:
    return _text(
        f"The gateway failed at {request.method} {request.url.path}; its log has the traceback.\n", 500
    )


def _text(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, {**(headers or {}), "X-OpenFaaS-Internal": "gateway"})
