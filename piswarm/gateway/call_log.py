"""What HAProxy tells of single calls: it sends a line for each to a port of loopback, and this listens there."""

from __future__ import annotations

import json
import logging
import secrets
import socket
import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

from piswarm.gateway.tally import Tally

_LONGEST_LINE = 2048
_ROOM = 1 << 20
"""Bytes of lines that may wait to be read."""
_PATIENCE_S = 0.5

log = logging.getLogger(__name__)


class CallLog:
    """Listens while it is entered.

    Args:
        address: loopback address and port that HAProxy sends its lines to.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        self._socket.settimeout(_PATIENCE_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="call-log", daemon=True)
        self._heard: defaultdict[str, Tally] = defaultdict(Tally)
        self._hearing = threading.Lock()
        self._marks: dict[bytes, threading.Event] = {}

    def __enter__(self) -> Self:
        self._socket.bind(self._address)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._socket.sendto(b"", self._address)  # it need not wait for the next line
        self._thread.join(2 * _PATIENCE_S)
        self._socket.close()

    def take(self) -> dict[str, Tally]:
        """Return what was heard since the last time, by function.

        Lines that HAProxy has sent before this call are among it, unless there are more of them than can be read
        in half a second.
        """
        self._catch_up()
        with self._hearing:
            heard, self._heard = self._heard, defaultdict(Tally)
        return dict(heard)

    def _catch_up(self) -> None:
        """Send a line of our own and wait for it: those before it have been read then."""
        mark = secrets.token_bytes(16)
        read = self._marks[mark] = threading.Event()
        self._socket.sendto(mark, self._address)
        if not read.wait(_PATIENCE_S):
            log.warning("HAProxy tells of more calls than can be counted one by one.")
        self._marks.pop(mark, None)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                line = self._socket.recv(_LONGEST_LINE)
            except TimeoutError:
                continue
            mark = self._marks.pop(line, None)
            if mark:
                mark.set()
            elif line.startswith(
                b"{"
            ):  # others are HAProxy's words about itself, which the container's log has
                self._note(line)

    def _note(self, line: bytes) -> None:
        try:
            call = json.loads(line)
            name, status, seconds = str(call["function"]), int(call["status"]), int(call["ms"]) / 1000
        except (ValueError, TypeError, KeyError):
            log.warning("HAProxy's log has a line that is no call: %r", line)
            return
        # Some are the API's own requests; some have no answer, for their callers have left before it.
        if name and 100 <= status < 600:
            with self._hearing:
                self._heard[name].add(status, max(0.0, seconds))
