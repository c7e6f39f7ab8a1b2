"""The story of finding nodes: ask the network, listen until nobody new answers, tell who is who."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from piswarm.cluster.links import Link, default_interfaces, read_links
from piswarm.cluster.mdns import asking
from piswarm.cluster.neighbours import read_neighbours
from piswarm.cluster.sighting import Sighting, merge_sightings
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
    """Who has answered so far."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.sightings: list[Sighting] = []
        self._links = links
        self._addresses: set[str] = set()
        self._newcomer = asyncio.Event()

    def add(self, sighting: Sighting) -> None:
        """Take a sighting; leave out addresses on bridges inside a node, and what other links tell."""
        reachable = {one for one in sighting.addresses if any(link.reaches(one) for link in self._links)}
        if reachable:
            self.sightings.append(replace(sighting, addresses=tuple(reachable)))
        if reachable - self._addresses:
            self._addresses |= reachable
            self._newcomer.set()

    async def wait_until_quiet(self, time_s: float) -> None:
        """Wait until nobody new has answered for a while; where nobody has at all, until the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(time_s):
                await self._newcomer.wait()
                while True:
                    self._newcomer.clear()
                    await asyncio.wait_for(self._newcomer.wait(), QUIET_S)


async def _listen(links: Sequence[Link], sweep: bool, time_s: float) -> list[Sighting]:
    crowd = _Crowd(links)
    async with asking(links, crowd.add), asyncio.TaskGroup() as work:
        work.create_task(crowd.wait_until_quiet(time_s))
        if sweep:
            work.create_task(sweep_ssh(links, crowd.add))
    return merge_sightings(crowd.sightings)


def _with_mac(sighting: Sighting, macs: Mapping[str, str]) -> Sighting:
    """Take the MAC address from the kernel, which has just spoken to the node, before the announced one."""
    known = [macs[address] for address in sighting.addresses if address in macs]
    return replace(sighting, mac=known[0] if known else sighting.mac)
