"""Logs of a function, line by line as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from piswarm.gateway.logs import LogLine, parse_query
from piswarm.gateway.swarm import Logs


@dataclass(frozen=True)
class LogsApi:
    """The route about logs.

    Attributes:
        logs: what functions wrote.
    """

    logs: Logs

    async def read(self, request: Request) -> Response:
        """Answer with the lines that the query asks for, one JSON object each."""
        query = parse_query(request.query_params)
        opened = AsyncExitStack()
        lines = await opened.enter_async_context(self.logs.read(query))
        return StreamingResponse(_written(lines, opened), media_type="application/x-ndjson")


async def _written(lines: AsyncIterator[LogLine], opened: AsyncExitStack) -> AsyncIterator[bytes]:
    async with opened:
        async for line in lines:
            yield line.to_json()
