"""The HAProxy next to the controller: it takes over a new configuration only when that is sound.

A configuration is checked, put in place and taken over by a reload, during which the old process finishes
what it has and the new one goes on with the listening sockets. When anything fails the last good one stays.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from piswarm.errors import PiswarmError
from piswarm.gateway.calls import Answers, Calls, Ledger, read_calls
from piswarm.gateway.files import replace_file
from piswarm.gateway.haproxy_config import Configuration, DataPlane

_CHECK_TIMEOUT_S = 30
_RELOAD_TIMEOUT_S = 30
_ASK_AGAIN_S = 5
_PAUSE_S = 0.02
_SOCKET_TIMEOUT_S = 5
_BACKENDS = "show stat -1 2 -1"
_NO_SERVERS = "1\n"
"""An empty state of servers: the version of the format and nothing else."""


class DataPlaneError(PiswarmError):
    """HAProxy refuses a configuration or cannot be reached."""


class Proxy(Protocol):
    """What carries the calls."""

    def apply(self, configuration: Configuration) -> bool:
        """Serve by `configuration`; return whether that was a change."""

    def calls(self) -> dict[str, Calls]:
        """Return each function's calls so far; DataPlaneError when they cannot be had."""


class HAProxy:
    """Hands configurations to the HAProxy that serves in this container.

    Args:
        plane: where its files and sockets are.
        program: the program that checks configurations.
    """

    def __init__(self, plane: DataPlane, program: str = "haproxy") -> None:
        self._plane = plane
        self._program = program
        self._ledger = Ledger(_read_answers(plane.calls_file))
        self._ledger_in_use = threading.Lock()

    def prepare(self, configuration: Configuration) -> None:
        """Write the configuration that HAProxy starts with, unless an earlier one is there."""
        self._plane.run_directory.mkdir(parents=True, exist_ok=True)
        if not self._plane.servers_file.exists():
            replace_file(self._plane.servers_file, _NO_SERVERS)
        if not self._plane.config_file.exists():
            replace_file(self._plane.config_file, configuration.text)

    def apply(self, configuration: Configuration) -> bool:
        """Make HAProxy serve with `configuration`; return whether it had to change.

        Raises:
            DataPlaneError: it did not; HAProxy goes on with the last good one.
        """
        if self.running_fingerprint() == configuration.fingerprint:
            return False
        self._check(configuration)
        self._keep_servers()
        self._keep_calls()
        last_good = self._plane.config_file.read_text()
        replace_file(self._plane.config_file, configuration.text)
        try:
            self._reload(configuration.fingerprint)
        except DataPlaneError:
            replace_file(self._plane.config_file, last_good)
            raise
        return True

    def running_fingerprint(self) -> str:
        """Return the fingerprint of what HAProxy serves with, or an empty string while it does not answer."""
        try:
            return self._information().get("description", "")
        except OSError:
            return ""

    def calls(self) -> dict[str, Calls]:
        """Return each function's calls through this HAProxy and those before it.

        Raises:
            DataPlaneError: HAProxy does not answer.
        """
        with self._ledger_in_use:
            try:
                information = self._information()
                statistics = _ask(self._plane.admin_socket, _BACKENDS)
            except OSError as exc:
                raise DataPlaneError(f"HAProxy does not give its statistics: {exc}.") from exc
            return self._ledger.note(information["Pid"], read_calls(statistics))

    def _information(self) -> dict[str, str]:
        information = _ask(self._plane.admin_socket, "show info")
        return dict(line.partition(": ")[::2] for line in information.splitlines())

    def _keep_calls(self) -> None:
        """Note what the process that is about to end has counted; its last calls may be missing."""
        with suppress(DataPlaneError):
            self.calls()
        replace_file(self._plane.calls_file, json.dumps(self._ledger.closed()))

    def _check(self, configuration: Configuration) -> None:
        candidate = self._plane.config_file.with_suffix(".candidate")
        replace_file(candidate, configuration.text)
        try:
            check = subprocess.run(
                [self._program, "-c", "-f", str(candidate)],
                capture_output=True,
                text=True,
                timeout=_CHECK_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise DataPlaneError(f"HAProxy could not check a new configuration: {exc}.") from exc
        finally:
            candidate.unlink()
        if check.returncode != 0:
            raise DataPlaneError(f"HAProxy refuses a new configuration: {check.stderr.strip()}")

    def _keep_servers(self) -> None:
        """Note the servers' addresses, so that the next process has them before it asks the DNS."""
        try:
            servers = _ask(self._plane.admin_socket, "show servers state")
        except OSError:
            servers = _NO_SERVERS
        replace_file(self._plane.servers_file, servers)

    def _reload(self, fingerprint: str) -> None:
        began = time.monotonic()
        asked_at = float("-inf")
        while (running := self.running_fingerprint()) != fingerprint:
            now = time.monotonic()
            if now > began + _RELOAD_TIMEOUT_S:
                raise DataPlaneError(
                    f"HAProxy did not take over a configuration within {_RELOAD_TIMEOUT_S} s; "
                    f"it runs with '{running}' instead of '{fingerprint}'."
                )
            if now > asked_at + _ASK_AGAIN_S:
                asked_at = now
                self._ask_to_reload()
            time.sleep(_PAUSE_S)

    def _ask_to_reload(self) -> None:
        """Tell the master process; without one, HAProxy's supervisor starts it with the new configuration."""
        with suppress(OSError):
            _ask(self._plane.master_socket, "reload")


def _ask(path: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SOCKET_TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(command.encode() + b"\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer.decode()


def _read_answers(path: Path) -> Answers:
    try:
        answers: Answers = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return answers
