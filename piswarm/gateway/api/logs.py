"""Logs of a function, line by line as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from piswarm.gateway.logs import LogLine, parse_query
from piswarm.gateway.swarm import Logs

HEARTBEAT_S = 10.0


@dataclass(frozen=True)
class LogsApi:
    """The route about logs.

    Attributes:
        logs: what functions wrote.
        heartbeat_s: seconds of silence after which a follower gets an empty line.
    """

    logs: Logs
    heartbeat_s: float = HEARTBEAT_S

    async def read(self, request: Request) -> Response:
        """Answer with the lines that the query asks for, one JSON object each."""
        query = parse_query(request.query_params)
        opened = AsyncExitStack()
        lines = await opened.enter_async_context(self.logs.read(query))
        return StreamingResponse(_written(lines, opened, self.heartbeat_s), media_type="application/x-ndjson")


async def _written(
    lines: AsyncIterator[LogLine], opened: AsyncExitStack, heartbeat_s: float
) -> AsyncIterator[bytes]:
    """Give the lines as they come, and an empty one when none comes for a while.

    Only by writing to it does anybody notice that a reader is gone; readers of JSON pass over empty lines.
    """
    upcoming: asyncio.Future[LogLine | None] | None = None
    async with opened:
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(_next(lines))
                await asyncio.wait({upcoming}, timeout=heartbeat_s)
                if not upcoming.done():
                    yield b"\n"
                    continue
                line, upcoming = upcoming.result(), None
                if line is None:
                    return
                yield line.to_json()
        finally:
            if upcoming is not None:
                upcoming.cancel()


async def _next(lines: AsyncIterator[LogLine]) -> LogLine | None:
    return await anext(lines, None)
