"""Ending HAProxy without cutting off a call, and without waiting for clients that only keep a connection.

A soft stop closes the port at once and answers every call under way, but then waits for each idle connection until
its client sends something or lets go of it. So the calls are counted from outside, and when none is left the caller
of this ends HAProxy. The master's socket is opened before the stop: it takes no new connections from then on.
https://docs.haproxy.org/3.0/management.html#9.4
"""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from piswarm.gateway.calls import CONTROLLER, PREFIX, under_way

_PATIENCE_S = 8.0
"""Less than the `timeout-kill` of HAProxy's service in the image."""
_API_PATIENCE_S = 2.0
"""Readers of logs stay for hours, other requests of the API end soon."""
_PAUSE_S = 0.05
_ANSWER_TIMEOUT_S = 2.0
_PROMPT = b"> "
_BACKENDS = "show stat -1 2 -1"


def drain(master_socket: Path, patience_s: float = _PATIENCE_S) -> None:
    """Close HAProxy's ports and return when no call is under way any more.

    Args:
        master_socket: the socket of HAProxy's master process.
        patience_s: seconds after which this returns although calls are under way.

    Raises:
        OSError: HAProxy does not answer; there is nothing to wait for, or no way to see it.
    """
    with ExitStack() as opened:
        master, processes = _processes(master_socket)
        workers = [
            opened.enter_context(_Conversation(master_socket, f"@!{pid} {_BACKENDS}")) for pid in processes
        ]
        os.kill(master, signal.SIGUSR1)
        began = time.monotonic()
        while time.monotonic() < began + patience_s:
            statistics = [worker.ask() for worker in workers]
            api_matters = time.monotonic() < began + _API_PATIENCE_S
            prefixes = (PREFIX, CONTROLLER) if api_matters else (PREFIX,)
            if not any(under_way(text, prefix) for text in statistics for prefix in prefixes):
                return
            time.sleep(_PAUSE_S)


def _processes(master_socket: Path) -> tuple[int, list[int]]:
    """Return the master process and those that carry calls: the newest, and older ones with calls left."""
    with _Conversation(master_socket, "show proc") as conversation:
        rows = [line.split() for line in conversation.ask().splitlines()]
    masters = [int(row[0]) for row in rows if row[1:2] == ["master"]]
    if not masters:
        raise ConnectionError("HAProxy's master process does not tell its processes.")
    return masters[0], [int(row[0]) for row in rows if row[1:2] == ["worker"]]


class _Conversation:
    """One question to HAProxy's master process, asked again and again.

    Args:
        path: the master's socket.
        question: the command.
    """

    def __init__(self, path: Path, question: str) -> None:
        self._path = path
        self._question = question
        self._connection = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> _Conversation:
        """Begin; a master process that has just reloaded may take no connection for a moment."""
        began = time.monotonic()
        while True:
            try:
                self._connection.settimeout(_ANSWER_TIMEOUT_S)
                self._connection.connect(str(self._path))
                self._say("prompt")
            except OSError:
                self._connection.close()
                if time.monotonic() > began + _ANSWER_TIMEOUT_S:
                    raise
                time.sleep(_PAUSE_S)
                self._connection = socket.socket(socket.AF_UNIX)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self) -> str:
        """Return the answer; empty when the process that was to answer is gone."""
        try:
            answer = self._say(self._question)
        except ConnectionError:
            return ""
        return answer if answer.startswith("#") else ""

    def _say(self, command: str) -> str:
        self._connection.sendall(command.encode() + b"\n")
        answer = b""
        while not answer.endswith(_PROMPT):
            part = self._connection.recv(65536)
            if not part:
                raise ConnectionError("HAProxy's master process ended the conversation.")
            answer += part
        return answer.decode()
