"""The HTTP server around the application: uvicorn on httptools and uvloop, which Debian has for armhf."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from piswarm.runtime.app import App
from piswarm.runtime.settings import RuntimeSettings

_READY_FILE = Path("/tmp/.lock")  # noqa: S108  (the name that OpenFaaS's health checks look for)
_KEEP_ALIVE_S = 75


class _LingeringServer(uvicorn.Server):
    """Goes on serving for a while after SIGTERM, then finishes what it has.

    The callers learn only by and by that this replica is leaving; nobody must be refused meanwhile.
    """

    def __init__(self, config: uvicorn.Config, linger_s: float, on_state: Callable[[bool], None]) -> None:
        super().__init__(config)
        self._linger_s = linger_s
        self._on_state = on_state
        self._leaving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leaving.set)
        yield

    async def main_loop(self) -> None:
        self._on_state(True)
        await self._leaving.wait()
        self._on_state(False)
        await asyncio.sleep(self._linger_s)


def serve(app: App, settings: RuntimeSettings) -> None:
    """Serve `app` until SIGTERM or SIGINT has been obeyed.

    Raises:
        OSError: the port cannot be used.
    """
    listener = socket.create_server(("", settings.port), backlog=2048)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.write_timeout_s)),
    )

    def on_state(is_ready: bool) -> None:
        app.draining = not is_ready
        if not settings.suppress_lock:
            _show(is_ready)

    server = _LingeringServer(config, settings.linger_s, on_state)
    server.run([listener])


def _show(is_ready: bool) -> None:
    """Keep the file that says to Docker's health check whether this replica is ready."""
    if is_ready:
        _READY_FILE.touch()
    else:
        _READY_FILE.unlink(missing_ok=True)
