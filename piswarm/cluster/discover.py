"""Finding nodes: what the network says of itself over mDNS.

Raspberry Pi OS images since May 2025 announce `_workstation._tcp` with the MAC address in the instance's
name (`raspberrypi [2c:cf:67:01:02:03]`); nodes that piswarm made announce `_piswarm._tcp`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce

import ifaddr
from zeroconf import IPVersion, ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

from piswarm.errors import DiscoveryError

SERVICE_TYPES = ("_workstation._tcp.local.", "_ssh._tcp.local.", "_piswarm._tcp.local.")
DISCOVERY_TIME_S = 2.0

# Raspberry Pi's own blocks in the IEEE's lists (24, 28 and 36 bits).
_PI_PREFIXES = (
    "28:cd:c1", "2c:cf:67", "3a:35:41", "88:a2:9e", "98:fe:54", "b8:27:eb",
    "d8:3a:dd", "dc:a6:32", "e4:5f:01", "f0:40:af:9", "8c:1f:64:34:a",
)  # fmt: skip
_WORKSTATION = re.compile(r"^(?P<name>.+?) \[(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})\]$", re.IGNORECASE)


@dataclass(frozen=True)
class Sighting:
    """A node that was seen on the network.

    Attributes:
        name: host name, without `.local`.
        addresses: IPv4 addresses, as announced.
        mac: MAC address in lower case, or an empty string.
        seen_by: service types that told of it, without domain; `given` when the user named it.
        cluster: name of the piswarm cluster that it says it belongs to.
    """

    name: str
    addresses: tuple[str, ...]
    mac: str = ""
    seen_by: tuple[str, ...] = ()
    cluster: str = ""

    @property
    def address(self) -> str:
        """Return the address to reach it by."""
        return self.addresses[0]

    @property
    def is_raspberry_pi(self) -> bool:
        """Return whether the MAC address is from one of Raspberry Pi's blocks: a hint, not proof."""
        return self.mac.startswith(_PI_PREFIXES)


@dataclass
class _Browser:
    """Collects service instances as zeroconf's threads report them."""

    seen: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is not ServiceStateChange.Removed:
            with self.lock:
                self.seen.add((service_type, name))

    def take_new(self, known: set[tuple[str, str]]) -> set[tuple[str, str]]:
        with self.lock:
            return self.seen - known


def discover(interfaces: Iterable[str], time_s: float = DISCOVERY_TIME_S) -> list[Sighting]:
    """Look for nodes on the given network interfaces and on no others.

    Args:
        interfaces: names of interfaces, for example `eth0`.
        time_s: seconds to listen.

    Returns:
        The nodes seen, each once, sorted by name.

    Raises:
        DiscoveryError: an interface does not exist or has no IPv4 address.
    """
    addresses = [address for name in interfaces for address in _addresses_of(name)]
    zeroconf = Zeroconf(interfaces=addresses, ip_version=IPVersion.V4Only)
    browser = _Browser()
    infos: dict[tuple[str, str], ServiceInfo] = {}
    try:
        listening = ServiceBrowser(zeroconf, list(SERVICE_TYPES), handlers=[browser])
        deadline = time.monotonic() + time_s
        while (left := deadline - time.monotonic()) > 0:
            for key in browser.take_new(set(infos)):
                info = ServiceInfo(*key)
                if info.request(zeroconf, timeout=max(200.0, left * 1000)):
                    infos[key] = info
            time.sleep(0.05)
        listening.cancel()
    finally:
        zeroconf.close()
    return merge_sightings(_sighting(info) for info in infos.values())


def merge_sightings(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Join what was seen of the same node: by MAC address, or by an address in common."""
    merged: list[Sighting] = []
    for sighting in sightings:
        if not sighting.addresses:
            continue
        same = [other for other in merged if _is_same(other, sighting)]
        merged = [other for other in merged if other not in same]
        merged.append(reduce(_join, [*same, sighting]))
    return sorted(merged, key=lambda one: (_natural(one.name), one.addresses))


def default_interfaces() -> list[str]:
    """Return the interfaces to look on when none is named: those of home networks, no bridges or tunnels."""
    skipped = ("lo", "docker", "br-", "veth", "virbr", "tun", "tap", "wg", "cni", "flannel", "piswarm")
    return [
        adapter.nice_name
        for adapter in ifaddr.get_adapters()
        if not adapter.nice_name.startswith(skipped) and any(ip.is_IPv4 for ip in adapter.ips)
    ]


def _addresses_of(interface: str) -> list[str]:
    adapters = {adapter.nice_name: adapter for adapter in ifaddr.get_adapters()}
    if interface not in adapters:
        raise DiscoveryError(
            f"There is no network interface '{interface}' here.",
            f"Interfaces: {', '.join(sorted(adapters))}.",
        )
    addresses = [str(ip.ip) for ip in adapters[interface].ips if ip.is_IPv4]
    if not addresses:
        raise DiscoveryError(
            f"The network interface '{interface}' has no IPv4 address.",
            "Connect it, or name another one with --interface.",
        )
    return addresses


def _sighting(info: ServiceInfo) -> Sighting:
    instance = info.name.removesuffix("." + info.type)
    workstation = _WORKSTATION.match(instance)
    server = (info.server or "").removesuffix(".").removesuffix(".local")
    properties = info.decoded_properties
    return Sighting(
        name=server or (workstation["name"] if workstation else instance),
        addresses=tuple(info.parsed_addresses(IPVersion.V4Only)),
        mac=(workstation["mac"].lower() if workstation else properties.get("mac") or ""),
        seen_by=(info.type.removesuffix(".local."),),
        cluster=properties.get("cluster") or "",
    )


def _is_same(one: Sighting, other: Sighting) -> bool:
    return bool((one.mac and one.mac == other.mac) or set(one.addresses) & set(other.addresses))


def _join(one: Sighting, other: Sighting) -> Sighting:
    return Sighting(
        name=one.name,
        addresses=tuple(dict.fromkeys(one.addresses + other.addresses)),
        mac=one.mac or other.mac,
        seen_by=tuple(sorted({*one.seen_by, *other.seen_by})),
        cluster=one.cluster or other.cluster,
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort pi2 before pi10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
