"""The name servers that a node is to ask: those of this machine, as a router would hand them out."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

# The second is where systemd-resolved keeps the real servers while the first names its own loopback address.
_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def name_servers(texts: Iterable[str]) -> list[str]:
    """Return the name servers of the first text in `resolv.conf` form that names one outside this machine."""
    for text in texts:
        servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
        reachable = [server for server in servers if not ip_address(server.partition("%")[0]).is_loopback]
        if reachable:
            return reachable
    return []


def read_name_servers() -> list[str]:
    """Return this machine's name servers; empty when only Docker's own resolver can be used."""
    return name_servers(file.read_text() for file in _FILES if file.is_file())
