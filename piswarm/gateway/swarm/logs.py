"""Logs of functions through the engine's API: any manager gathers them from every node.

The SDK offers service logs only as a blocking iterator that nothing can interrupt; httpx speaks to the engine's
socket asynchronously, so that a reader who goes away takes nothing but a connection with him.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
from starlette.concurrency import run_in_threadpool

from piswarm.gateway.faults import Unavailable
from piswarm.gateway.function import Function
from piswarm.gateway.logs import LogLine, LogQuery, frames, parse_line

_CONNECT_TIMEOUT_S = 10


class EngineLogs:
    """Reads what functions wrote.

    Args:
        socket: path of the engine's socket.
        api_version: version of the engine's API to speak.
        find: returns a function, or raises NotFound.
    """

    def __init__(self, socket: str, api_version: str, find: Callable[[str], Function]) -> None:
        self._socket = socket
        self._base = f"http://engine/v{api_version}"
        self._find = find

    @asynccontextmanager
    async def read(self, query: LogQuery) -> AsyncIterator[AsyncIterator[LogLine]]:
        """Open the lines that `query` asks for, of every replica on every node.

        Raises:
            NotFound: there is no such function.
            Unavailable: the engine does not give its logs.
        """
        await run_in_threadpool(self._find, query.name)
        try:
            async with self._client() as client:
                newest = [] if query.tail is None else await _newest(client, query)
                if query.tail is not None and not query.follow:
                    yield _then(newest)
                    return
                async with _opened(client, query) as lines:
                    yield _then(newest, lines)
        except httpx.HTTPError as exc:
            raise Unavailable(f"The engine's logs broke off: {exc}.") from exc

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=self._socket),
            base_url=self._base,
            timeout=httpx.Timeout(_CONNECT_TIMEOUT_S, read=None),
        )


@asynccontextmanager
async def _opened(client: httpx.AsyncClient, query: LogQuery) -> AsyncIterator[AsyncIterator[LogLine]]:
    url = f"/services/{query.name}/logs"
    async with client.stream("GET", url, params=_parameters(query)) as answer:
        if answer.status_code != httpx.codes.OK:
            content = (await answer.aread()).decode(errors="replace")
            raise Unavailable(f"The engine does not give the logs: {content}")
        yield _lines(query, answer.aiter_raw())


async def _newest(client: httpx.AsyncClient, query: LogQuery) -> list[LogLine]:
    """Return the newest lines of all replicas together; the engine gives that many of each."""
    async with _opened(client, replace(query, follow=False)) as lines:
        given = sorted([line async for line in lines], key=lambda line: line.timestamp)
    return given[max(0, len(given) - (query.tail or 0)) :]


async def _lines(query: LogQuery, parts: AsyncIterator[bytes]) -> AsyncIterator[LogLine]:
    async for frame in frames(parts):
        line = parse_line(query.name, frame)
        if line.instance.startswith(query.instance):
            yield line


async def _then(
    first: Sequence[LogLine], rest: AsyncIterator[LogLine] | None = None
) -> AsyncIterator[LogLine]:
    """Give `first`, then those of `rest` that are newer."""
    for line in first:
        yield line
    newest = first[-1].timestamp if first else ""
    if rest is not None:
        async for line in rest:
            if line.timestamp > newest:
                yield line


def _parameters(query: LogQuery) -> dict[str, str]:
    return {
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "details": "1",
        "follow": "1" if query.follow else "0",
        "tail": "all" if query.tail is None else str(query.tail),
        "since": f"{query.since.timestamp():.9f}" if query.since else "0",
    }
