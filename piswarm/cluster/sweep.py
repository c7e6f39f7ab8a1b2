"""Knocking at every SSH port of a network: for nodes that say nothing over mDNS. Only when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from piswarm.cluster.links import Link
from piswarm.cluster.sighting import SSH_PORT, Sighting

ANSWER_TIMEOUT_S = 1.5
# Below the 256 files that macOS lets a process have open.
_AT_A_TIME = 128
_SSH_PORT = 22
_MOST_BANNER_BYTES = 255  # https://www.rfc-editor.org/rfc/rfc4253 section 4.2


async def sweep_ssh(link: Link, on_sighting: Callable[[Sighting], None], port: int = _SSH_PORT) -> None:
    """Connect to the SSH port of every address on a link and tell who has an SSH server.

    Args:
        link: whose addresses are tried.
        on_sighting: is called for each SSH server.
        port: the TCP port.
    """
    gate = asyncio.Semaphore(_AT_A_TIME)

    async def knock(source: str, address: str) -> None:
        async with gate:
            banner = await read_banner(address, port, source)
        if banner:
            on_sighting(Sighting(address, (address,), seen_by=(SSH_PORT,), banner=banner))

    async with asyncio.TaskGroup() as knocking:
        for own in link.addresses:
            for address in link.neighbours(own):
                knocking.create_task(knock(str(own.ip), address))


async def read_banner(address: str, port: int, source: str = "", timeout_s: float = ANSWER_TIMEOUT_S) -> str:
    """Return what an SSH server says first, or an empty string where there is none.

    Args:
        address: IPv4 address of the server.
        port: its TCP port.
        source: our own address to connect from; empty for any.
        timeout_s: seconds until it is given up.
    """
    try:
        async with asyncio.timeout(timeout_s):
            local = (source, 0) if source else None
            reader, writer = await asyncio.open_connection(
                address, port, local_addr=local, limit=_MOST_BANNER_BYTES
            )
            try:
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, ValueError):  # nobody there, closed, too slow, or a line longer than SSH allows
        return ""
    text = line.decode(errors="replace").strip()
    return text if text.startswith("SSH-") else ""
