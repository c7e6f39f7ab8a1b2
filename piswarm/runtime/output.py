"""Standard output, kept apart for each request.

While a request is answered, what its handler prints belongs to it alone, whichever thread or task it runs
in; what anything else prints goes to the container's log as always.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

_printed: ContextVar[io.BytesIO | None] = ContextVar("printed", default=None)


class _RequestBuffer(io.RawIOBase):
    """`sys.stdout.buffer`, for handlers that write bytes."""

    def __init__(self, log: TextIO) -> None:
        self._log = log

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        target = _printed.get()
        if target is not None:
            return target.write(data)
        self._log.buffer.write(data)
        return len(data)


class RequestOutput(io.TextIOBase):
    """Stands in for `sys.stdout`: writes to the request of the caller, or to the log.

    Args:
        log: the stream for what belongs to no request.
    """

    encoding = "utf-8"
    errors = "surrogateescape"

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self.buffer = _RequestBuffer(log)

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the log's file descriptor, for what programs started by a handler print."""
        return self._log.fileno()

    def write(self, text: str) -> int:
        """Write `text` where it belongs."""
        target = _printed.get()
        if target is None:
            return self._log.write(text)
        target.write(text.encode(self.encoding, self.errors))
        return len(text)

    def flush(self) -> None:
        """Flush the log; what belongs to a request needs no flushing."""
        if _printed.get() is None:
            self._log.flush()


def separate_requests() -> None:
    """Put a `RequestOutput` in the place of `sys.stdout`, once."""
    if not isinstance(sys.stdout, RequestOutput):
        sys.stdout = RequestOutput(sys.stdout)


@contextmanager
def captured() -> Iterator[io.BytesIO]:
    """Collect what is printed inside the `with` block, by this thread or task."""
    buffer = io.BytesIO()
    token = _printed.set(buffer)
    try:
        yield buffer
    finally:
        _printed.reset(token)
