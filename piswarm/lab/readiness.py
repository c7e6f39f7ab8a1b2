"""Waiting until simulated Pis have booted."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from docker.errors import APIError
from docker.models.containers import Container

from piswarm.errors import LabError

_BOOT_WITHIN_S = 90
_LOOK_EVERY_S = 0.25
_ANSWER_WITHIN_S = 2
_SSH_PORT = 22


@dataclass(frozen=True)
class Boot:
    """How far a node's boot is.

    Attributes:
        systemd: what `systemctl is-system-running` says.
        ssh: the greeting of its SSH server, or what stands in its place.
    """

    systemd: str
    ssh: str

    @property
    def is_done(self) -> bool:
        """Return whether the node is up, all its services with it."""
        return self.systemd == "running" and self.ssh.startswith("SSH-")

    @property
    def has_failed(self) -> bool:
        """Return whether waiting longer will not help."""
        return self.systemd == "degraded"


def wait_until_booted(
    container: Container, node: str, address: str, *, within_s: float = _BOOT_WITHIN_S
) -> None:
    """Wait until systemd says `running` and the SSH server greets.

    Args:
        container: the node's container.
        node: its name.
        address: its IPv4 address.
        within_s: seconds to wait at most.

    Raises:
        LabError: it did not boot in time, or a service failed; the message holds the last observation.
    """
    began = time.monotonic()
    boot = _observe(container, address)
    while not boot.is_done:
        waited = time.monotonic() - began
        if boot.has_failed or waited > within_s:
            failed = _run(container, "systemctl --failed --no-legend --plain")
            raise LabError(
                f"Node {node} did not boot in {waited:.0f} s: systemd says '{boot.systemd}', "
                f"port 22 says '{boot.ssh}', failed services: {failed or 'none'}.",
                f"See its log: docker exec {container.name} journalctl -b",
            )
        time.sleep(_LOOK_EVERY_S)
        boot = _observe(container, address)


def _observe(container: Container, address: str) -> Boot:
    systemd = _run(container, "systemctl is-system-running")
    return Boot(systemd, _greeting(address) if systemd == "running" else "")


def _run(container: Container, command: str) -> str:
    try:
        output = container.exec_run(command).output
    except APIError as error:
        return f"not running: {error.explanation}"
    return (output if isinstance(output, bytes) else b"".join(output)).decode(errors="replace").strip()


def _greeting(address: str) -> str:
    try:
        with socket.create_connection((address, _SSH_PORT), timeout=_ANSWER_WITHIN_S) as connection:
            return connection.recv(256).decode(errors="replace").strip()
    except OSError as error:
        return str(error)
