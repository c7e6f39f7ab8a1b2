"""The story of finding nodes: ask the network, listen until nobody new answers, tell who is who."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial

from piswarm.cluster.links import Link, default_interfaces, read_links
from piswarm.cluster.mdns import asking
from piswarm.cluster.neighbours import read_neighbours
from piswarm.cluster.sighting import Sighting, merge_link, merge_sightings
from piswarm.cluster.sweep import sweep_ssh

__all__ = ["Sighting", "default_interfaces", "discover", "look_around", "merge_sightings"]

# With what comes before and after the listening, at most 2 s.
DISCOVERY_TIME_S = 1.9
QUIET_S = 1.2


def discover(interfaces: Iterable[str], time_s: float = DISCOVERY_TIME_S) -> list[Sighting]:
    """Look for what may be a node: Raspberry Pis, members of clusters, computers that announce themselves.

    Phones, printers and televisions answer, too; `look_around` tells of them.

    Args:
        interfaces: names of network interfaces, for example `eth0`; no others are used.
        time_s: seconds to listen at most.

    Returns:
        The nodes seen, each once, sorted by name.

    Raises:
        DiscoveryError: an interface does not exist or cannot be used.
    """
    return [one for one in look_around(interfaces, time_s=time_s) if one.may_be_node]


def look_around(
    interfaces: Iterable[str], *, sweep: bool = False, time_s: float = DISCOVERY_TIME_S
) -> list[Sighting]:
    """Look for everything that answers.

    Args:
        interfaces: names of network interfaces, for example `eth0`; no others are used.
        sweep: also knock at every SSH port of their networks.
        time_s: seconds to listen at most; a sweep may take longer.

    Returns:
        What was seen, each node once, sorted by name.

    Raises:
        DiscoveryError: an interface does not exist or cannot be used.
    """
    links = read_links(interfaces)
    seen = asyncio.run(_listen(links, sweep, time_s))
    macs = read_neighbours([link.interface for link in links])
    return merge_sightings(_with_mac(one, macs) for one in seen)


class _Crowd:
    """Who has answered so far, on which link."""

    def __init__(self) -> None:
        self._seen: dict[Link, list[Sighting]] = {}
        self._addresses: set[str] = set()
        self._newcomer = asyncio.Event()

    def add(self, link: Link, sighting: Sighting) -> None:
        """Take a sighting; leave out addresses that are not on the link, such as those of bridges in a node."""
        reachable = {address for address in sighting.addresses if link.reaches(address)}
        self._seen.setdefault(link, []).append(replace(sighting, addresses=tuple(reachable)))
        if reachable - self._addresses:
            self._addresses |= reachable
            self._newcomer.set()

    def nodes(self) -> list[Sighting]:
        """Return each node once."""
        return merge_sightings(node for seen in self._seen.values() for node in merge_link(seen))

    async def wait_until_quiet(self, time_s: float) -> None:
        """Wait until nobody new has answered for a while; where nobody has at all, until the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(time_s):
                await self._newcomer.wait()
                while True:
                    self._newcomer.clear()
                    await asyncio.wait_for(self._newcomer.wait(), QUIET_S)


async def _listen(links: Sequence[Link], sweep: bool, time_s: float) -> list[Sighting]:
    crowd = _Crowd()
    async with AsyncExitStack() as asked, asyncio.TaskGroup() as work:
        for link in links:
            await asked.enter_async_context(asking(link, partial(crowd.add, link)))
            if sweep:
                work.create_task(sweep_ssh(link, partial(crowd.add, link)))
        work.create_task(crowd.wait_until_quiet(time_s))
    return crowd.nodes()


def _with_mac(sighting: Sighting, macs: Mapping[str, str]) -> Sighting:
    """Take the MAC address from the kernel, which has just spoken to the node, before the announced one."""
    known = [macs[address] for address in sighting.addresses if address in macs]
    return replace(sighting, mac=known[0] if known else sighting.mac)
