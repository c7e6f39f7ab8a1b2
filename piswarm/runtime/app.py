"""The runtime's ASGI application: health, limits, the call, and one log line for each request."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from piswarm.runtime.messages import Answer, Headers, Request, sentence
from piswarm.runtime.pieces import BrokenOffError, Pieces
from piswarm.runtime.settings import RuntimeSettings

_OF_THE_SERVER = frozenset({"content-length", "transfer-encoding"})
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Callee(Protocol):
    """What answers requests: a handler, or a program."""

    @property
    def is_async(self) -> bool:
        """Return whether it answers on the event loop; otherwise, in a thread."""

    @property
    def timeout_status(self) -> int:
        """Return the status for callers whose request took too long."""

    def call(self, request: Request) -> Answer:
        """Answer `request`, in the calling thread."""

    async def call_async(self, request: Request) -> Answer:
        """Answer `request`, on the event loop."""


class _CallerLeftError(Exception):
    """The caller went away before its request was complete."""


class _TooLargeError(Exception):
    """The body is larger than allowed."""


class App:
    """Serves one function.

    Args:
        callee: what answers the requests.
        settings: limits and time-outs.

    Attributes:
        draining: set when the container is asked to stop: health says so and connections are not kept,
            while requests are still answered.
    """

    def __init__(self, callee: Callee, settings: RuntimeSettings) -> None:
        self.draining = False
        self._callee = callee
        self._settings = settings
        self._inflight = 0
        self._version = {"x-piswarm-version": settings.version} if settings.version else {}
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="handler")

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve one request, as ASGI asks."""
        began = time.perf_counter()
        path: str = scope["path"]
        if path == "/_/health":
            await self._send(send, self._health(), began)
        elif path == "/_/ready":
            await self._send(send, self._ready(), began)
        else:
            await self._serve(scope, receive, send, began)

    def _health(self) -> Answer:
        answer = sentence(503, "Stopping.") if self.draining else sentence(200, "OK")
        return replace(answer, headers=self._version)

    def _ready(self) -> Answer:
        return sentence(429, "Busy.") if self._is_full() and not self.draining else self._health()

    def _is_full(self) -> bool:
        return 0 < self._settings.max_inflight <= self._inflight

    async def _serve(self, scope: _Message, receive: _Receive, send: _Send, began: float) -> None:
        headers = Headers(scope["headers"])
        received, request = 0, None
        try:
            if self._is_full():
                answer = sentence(429, f"{self._inflight} requests are being answered already; try again.")
            else:
                body = await self._read(headers, receive)
                received = len(body)
                query = scope["query_string"].decode("latin-1")
                request = Request(scope["method"], scope["path"], query, headers, body)
                answer = await self._answer(request)
        except _TooLargeError:
            answer = sentence(413, f"The body is larger than {self._settings.max_body} bytes.")
        except _CallerLeftError:
            return
        except asyncio.CancelledError:  # the server's last act before it ends
            answer = sentence(503, "The function was stopped before it had answered.")
        if answer.values is not None and request is not None:
            sent = await self._send_pieces(receive, send, answer, Pieces(answer.values, request), began)
            _log_request(scope, headers, answer.status, received, sent, time.perf_counter() - began)
        else:
            _log_request(
                scope, headers, answer.status, received, len(answer.body), time.perf_counter() - began
            )
            await self._send(send, answer, began)

    async def _read(self, headers: Headers, receive: _Receive) -> bytes:
        announced = headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self._settings.max_body:
            raise _TooLargeError
        chunks = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _CallerLeftError
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self._settings.max_body:
                raise _TooLargeError
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks) if len(chunks) > 1 else chunk

    async def _answer(self, request: Request) -> Answer:
        limit_s = self._settings.exec_timeout_s
        self._inflight += 1
        call = self._call(request)
        call.add_done_callback(self._one_less)
        if not limit_s:
            return await call
        try:
            return await asyncio.wait_for(call if self._callee.is_async else asyncio.shield(call), limit_s)
        except TimeoutError:
            return sentence(self._callee.timeout_status, f"The function took longer than {limit_s:g} s.")

    def _call(self, request: Request) -> asyncio.Future[Answer]:
        if self._callee.is_async:
            return asyncio.ensure_future(self._callee.call_async(request))
        return asyncio.get_running_loop().run_in_executor(self._threads, self._callee.call, request)

    def _one_less(self, call: asyncio.Future[Answer]) -> None:
        self._inflight -= 1

    async def _send(self, send: _Send, answer: Answer, began: float) -> None:
        length = {"content-length": str(len(answer.body))}
        await self._send_start(send, answer, length, began)
        await send({"type": "http.response.body", "body": answer.body})

    async def _send_pieces(
        self, receive: _Receive, send: _Send, answer: Answer, pieces: Pieces, began: float
    ) -> int:
        """Send pieces as they come, for as long as there is a caller, and return how many bytes they were."""
        await self._send_start(send, answer, {}, began)
        gone = asyncio.ensure_future(receive())
        self._inflight += 1
        sent = 0
        try:
            while not gone.done():
                piece = await pieces.next(self._threads)
                if piece is None:
                    await send({"type": "http.response.body"})
                    break
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                sent += len(piece)
        except BrokenOffError:
            pass  # an answer without its end tells the caller
        finally:
            self._inflight -= 1
            gone.cancel()
            await pieces.close()
        return sent

    async def _send_start(self, send: _Send, answer: Answer, length: Mapping[str, str], began: float) -> None:
        named = {name.lower(): value for name, value in answer.headers.items()}
        headers = {
            "content-type": answer.content_type,
            "x-duration-seconds": f"{time.perf_counter() - began:.6f}",
            **{name: value for name, value in named.items() if name not in _OF_THE_SERVER},
            **length,
        }
        if self.draining:
            headers["connection"] = "close"
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})


def _log_request(
    scope: _Message, headers: Headers, status: int, received: int, sent: int, took_s: float
) -> None:
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "duration_s": round(took_s, 6),
        "bytes_in": received,
        "bytes_out": sent,
    }
    if "X-Call-Id" in headers:
        line["call_id"] = headers["X-Call-Id"]
    sys.stderr.write(json.dumps(line) + "\n")
