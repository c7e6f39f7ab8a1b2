"""What was seen of a node on the network, and how several sightings become one node."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from ipaddress import IPv4Address

RASPBERRY_PI, MEMBER, OTHER = "raspberry-pi", "member", "other"
REVERSE_LOOKUP, LIKELY_NAME, SSH_PORT = "reverse-lookup", "likely-name", "ssh-port"

_COMPUTER_SERVICES = {"_workstation._tcp", "_ssh._tcp", "_piswarm._tcp"}

# Raspberry Pi's own blocks in the IEEE's lists (24, 28 and 36 bits).
_PI_PREFIXES = (
    "28:cd:c1", "2c:cf:67", "3a:35:41", "88:a2:9e", "98:fe:54", "b8:27:eb",
    "d8:3a:dd", "dc:a6:32", "e4:5f:01", "f0:40:af:9", "8c:1f:64:34:a",
)  # fmt: skip
# What a card flashed without a name calls itself; avahi numbers those that clash.
_PI_NAME = re.compile(r"raspberrypi(-\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Sighting:
    """A node that was seen on the network.

    Attributes:
        name: host name, without `.local`; the address where it told no name.
        addresses: IPv4 addresses, as announced.
        mac: MAC address in lower case, or an empty string.
        seen_by: what told of it: service types without domain, `reverse-lookup`, `likely-name`,
            `ssh-port`, or `given` when the user named it.
        cluster: name of the piswarm cluster that it says it belongs to.
        role: the role that it says it has there.
        banner: what its SSH server says first, where it was asked.
    """

    name: str
    addresses: tuple[str, ...]
    mac: str = ""
    seen_by: tuple[str, ...] = ()
    cluster: str = ""
    role: str = ""
    banner: str = ""

    @property
    def address(self) -> str:
        """Return the address to reach it by."""
        return self.addresses[0]

    @property
    def is_raspberry_pi(self) -> bool:
        """Return whether it looks like a Raspberry Pi: a hint, not proof, which only a login gives.

        Its MAC address is from one of Raspberry Pi's blocks, it has the name of a card flashed without
        one, or its SSH server is Raspbian's.
        """
        return bool(
            self.mac.startswith(_PI_PREFIXES) or _PI_NAME.fullmatch(self.name) or "Raspbian" in self.banner
        )

    @property
    def may_be_node(self) -> bool:
        """Return whether it may be worth a login: no phone, printer or television."""
        return self.kind != OTHER or SSH_PORT in self.seen_by or bool(_COMPUTER_SERVICES & {*self.seen_by})

    @property
    def kind(self) -> str:
        """Return `member` for a node of a cluster, `raspberry-pi`, or `other`."""
        if self.cluster:
            return MEMBER
        return RASPBERRY_PI if self.is_raspberry_pi else OTHER


def merge_sightings(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Join what was seen of the same node: by MAC address or by an address.

    Returns:
        Each node once, sorted by name, pi2 before pi10; sightings without an address are left out.
    """
    return _merge(sightings, _is_same)


def merge_link(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Join what was seen of the same node on one link: also by its name.

    A board with Ethernet and Wi-Fi has two addresses but one name: mDNS lets no two nodes on a link have the
    same. On another link the name proves nothing.

    Returns:
        As `merge_sightings`.
    """
    return _merge(
        sightings, lambda one, other: _is_same(one, other) or one.name.lower() == other.name.lower()
    )


def _merge(sightings: Iterable[Sighting], are_same: Callable[[Sighting, Sighting], bool]) -> list[Sighting]:
    merged: list[Sighting] = []
    for sighting in sightings:
        if not sighting.addresses:
            continue
        same = [other for other in merged if are_same(other, sighting)]
        merged = [other for other in merged if other not in same]
        merged.append(reduce(_join, [*same, sighting]))
    sorted_addresses = (replace(one, addresses=_sort_addresses(one.addresses)) for one in merged)
    return sorted(sorted_addresses, key=lambda one: (_natural(one.name), one.addresses))


def _is_same(one: Sighting, other: Sighting) -> bool:
    return bool((one.mac and one.mac == other.mac) or set(one.addresses) & set(other.addresses))


def _join(one: Sighting, other: Sighting) -> Sighting:
    return Sighting(
        name=other.name if one.name in one.addresses else one.name,
        addresses=tuple(dict.fromkeys(one.addresses + other.addresses)),
        mac=one.mac or other.mac,
        seen_by=tuple(sorted({*one.seen_by, *other.seen_by})),
        cluster=one.cluster or other.cluster,
        role=one.role or other.role,
        banner=one.banner or other.banner,
    )


def _sort_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Order addresses the same way in each run, however the answers came in."""
    return tuple(sorted(addresses, key=IPv4Address))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
