"""MAC addresses of the neighbours that this computer's kernel has spoken to."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

_LINUX_TABLE = Path("/proc/net/arp")
_ARP_TIMEOUT_S = 5
_NOBODY = "00:00:00:00:00:00"
# macOS: `? (192.168.1.23) at 2c:cf:67:1:2:3 on en0 ifscope [ethernet]`; leading zeros are left out.
_ARP_LINE = re.compile(r"\((?P<address>[\d.]+)\) at (?P<mac>[0-9a-f:]+) on (?P<interface>\S+)")


def read_neighbours(interfaces: Collection[str]) -> dict[str, str]:
    """Return the MAC addresses known on the given interfaces, by IPv4 address."""
    if _LINUX_TABLE.exists():
        return parse_linux_table(_LINUX_TABLE.read_text(), interfaces)
    told = subprocess.run(["arp", "-an"], capture_output=True, text=True, timeout=_ARP_TIMEOUT_S, check=False)
    return parse_arp(told.stdout, interfaces)


def parse_linux_table(table: str, interfaces: Collection[str]) -> dict[str, str]:
    """Read a table in the form of Linux's `/proc/net/arp`."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[0]: row[3].lower() for row in rows if row[5] in interfaces and row[3] != _NOBODY}


def parse_arp(output: str, interfaces: Collection[str]) -> dict[str, str]:
    """Read the output of `arp -an` as macOS gives it."""
    return {
        found["address"]: ":".join(part.zfill(2) for part in found["mac"].split(":"))
        for found in _ARP_LINE.finditer(output)
        if found["interface"] in interfaces
    }
