"""Keeps HAProxy's routes equal to the functions in the Swarm.

Every manager's gateway does this for itself. A change anywhere in the Swarm shows as an event on every
manager; a look from time to time covers for events that were missed.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from starlette.concurrency import run_in_threadpool

from piswarm.errors import PiswarmError
from piswarm.gateway.haproxy import Proxy
from piswarm.gateway.haproxy_config import DataPlane, render, route_to
from piswarm.gateway.swarm import Functions

log = logging.getLogger(__name__)


class Follower:
    """Makes HAProxy follow the Swarm.

    Args:
        functions: the functions to follow.
        proxy: what routes requests to them.
        plane: HAProxy's addresses and files.
        refresh_s: seconds between two looks when no event asks for one.
    """

    def __init__(self, functions: Functions, proxy: Proxy, plane: DataPlane, refresh_s: float) -> None:
        self._functions = functions
        self._proxy = proxy
        self._plane = plane
        self._refresh_s = refresh_s
        self._one_at_a_time = asyncio.Lock()
        self._upcoming: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.trouble = "The gateway has not seen the Swarm yet."
        """Why the routes may be out of date; empty when they are not."""

    async def run(self) -> None:
        """Follow until cancelled."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), name="swarm-events", daemon=True).start()
        while True:
            self._changed.clear()
            try:
                await self.sync()
            except PiswarmError as exc:
                log.warning("The routes could not be brought up to date: %s", exc)
            try:
                await asyncio.wait_for(self._changed.wait(), self._refresh_s)
            except TimeoutError:
                continue

    async def sync(self) -> None:
        """Bring the routes up to date now; any number of changes at a time become one new configuration.

        Raises:
            PiswarmError: the Swarm does not answer, or HAProxy refuses; the last good routes stay.
        """
        if self._upcoming is None:
            self._upcoming = asyncio.create_task(self._round())
        await asyncio.shield(self._upcoming)

    async def _round(self) -> None:
        async with self._one_at_a_time:
            # The look at the Swarm begins; it may miss what changes from now on.
            self._upcoming = None
            try:
                await run_in_threadpool(self._apply)
            except PiswarmError as exc:
                self.trouble = str(exc)
                raise
            self.trouble = ""

    def _apply(self) -> None:
        configuration = render([route_to(function) for function in self._functions.all()], self._plane)
        if self._proxy.apply(configuration):
            log.info("HAProxy serves with configuration %s.", configuration.fingerprint)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in self._functions.changes():
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(self._changed.set)
