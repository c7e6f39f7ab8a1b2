"""Secrets: list, create, update, delete. Their values go in and never come out."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from piswarm.gateway.api.body import read_document
from piswarm.gateway.function import NAMESPACE
from piswarm.gateway.secrets import parse_secret_name, parse_secret_value
from piswarm.gateway.swarm import Secrets


@dataclass(frozen=True)
class SecretsApi:
    """The routes about secrets.

    Attributes:
        secrets: the secrets.
    """

    secrets: Secrets

    async def list(self, _: Request) -> Response:
        """Answer with the names of all secrets."""
        names = await run_in_threadpool(self.secrets.names)
        return JSONResponse([{"name": name, "namespace": NAMESPACE} for name in names])

    async def create(self, request: Request) -> Response:
        """Keep a new secret."""
        document = await read_document(request)
        name, value = parse_secret_name(document), parse_secret_value(document)
        await run_in_threadpool(self.secrets.create, name, value)
        return Response(status_code=201)

    async def update(self, request: Request) -> Response:
        """Replace a secret's value."""
        document = await read_document(request)
        name, value = parse_secret_name(document), parse_secret_value(document)
        await run_in_threadpool(self.secrets.update, name, value)
        return Response(status_code=200)

    async def delete(self, request: Request) -> Response:
        """Forget a secret."""
        name = parse_secret_name(await read_document(request))
        await run_in_threadpool(self.secrets.remove, name)
        return Response(status_code=202)
