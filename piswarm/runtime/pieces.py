"""Answers that come piece by piece: what a handler yields goes to the caller at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import traceback
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Executor
from typing import Any

from piswarm.runtime.environment import about
from piswarm.runtime.messages import Request

_END = object()


class BrokenOffError(Exception):
    """The handler failed between two pieces; the log has its traceback."""


class Pieces:
    """What a generator of the user's yields.

    Args:
        values: the generator, async or not.
        request: what it answers.
    """

    def __init__(
        self, values: Generator[Any, None, None] | AsyncGenerator[Any, None], request: Request
    ) -> None:
        self._values = values
        self._request = request

    async def next(self, threads: Executor) -> bytes | None:
        """Return the next piece, or None at the end.

        Args:
            threads: where a generator that is not async runs.

        Raises:
            BrokenOffError: the handler failed.
        """
        try:
            if isinstance(self._values, AsyncGenerator):
                with about(self._request):
                    value = await anext(self._values, _END)
            else:
                value = await asyncio.get_running_loop().run_in_executor(threads, self._step, self._values)
            return None if value is _END else _encoded(value)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            raise BrokenOffError from error

    async def close(self) -> None:
        """Let the generator end where it stands."""
        if isinstance(self._values, AsyncGenerator):
            await self._values.aclose()
        else:
            with contextlib.suppress(ValueError):  # it still runs, in its thread, when the server ends
                self._values.close()

    def _step(self, values: Generator[Any, None, None]) -> object:
        with about(self._request):
            return next(values, _END)


def _encoded(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return json.dumps(value).encode() + b"\n"
