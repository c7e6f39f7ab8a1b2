"""Waiting for a replica on behalf of requests, and waking a function that sleeps."""

from __future__ import annotations

import asyncio
import time

from starlette.concurrency import run_in_threadpool

from piswarm.gateway.faults import Unavailable
from piswarm.gateway.swarm import Functions

_PAUSE_S = 0.05


class ReplicaWaiter:
    """Waits until a function has a replica; any number of requests for a function wait together.

    Args:
        functions: the functions.
        patience_s: seconds to wait for a replica that is on its way (an image may have to be pulled).
        patience_in_trouble_s: seconds to wait when an attempt to start a replica has failed.
    """

    def __init__(
        self, functions: Functions, *, patience_s: float = 60.0, patience_in_trouble_s: float = 1.0
    ) -> None:
        self._functions = functions
        self._patience_s = patience_s
        self._patience_in_trouble_s = patience_in_trouble_s
        self._waits: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def wait(self, name: str) -> tuple[str, ...]:
        """Return the addresses of the function's replicas as soon as one runs.

        Raises:
            NotFound: there is no such function.
            Unavailable: no replica came in time; the message says why.
        """
        wait = self._waits.get(name)
        if wait is None:
            wait = self._waits[name] = asyncio.create_task(self._wait(name))
            wait.add_done_callback(lambda _: self._waits.pop(name))
        return await asyncio.shield(wait)

    async def _wait(self, name: str) -> tuple[str, ...]:
        began = time.monotonic()
        await run_in_threadpool(self._wake, name)
        while not (replicas := await run_in_threadpool(self._functions.replicas, name)).running:
            if replicas.wanted == 0:
                raise Unavailable(f"{name} was scaled to zero while a call waited for a replica.")
            waited_s = time.monotonic() - began
            if replicas.trouble and waited_s >= self._patience_in_trouble_s:
                raise Unavailable(f"No replica of {name} runs: {replicas.trouble}")
            if waited_s >= self._patience_s:
                raise Unavailable(f"No replica of {name} started within {self._patience_s:.0f} s.")
            await asyncio.sleep(_PAUSE_S)
        return replicas.running

    def _wake(self, name: str) -> None:
        function = self._functions.one(name)
        if function.replicas == 0:
            self._functions.scale(name, max(1, function.spec.scale_min))
