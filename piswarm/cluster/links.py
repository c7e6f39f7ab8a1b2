"""The networks that this computer is on, and which of their addresses are worth asking for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import ifaddr

from piswarm.errors import DiscoveryError

# A network of up to 1022 nodes is asked for whole; of a larger one only the /24 around our own address.
_LARGEST_PREFIX = 22
_OWN_PART = 24
# Bridges of containers, tunnels and Apple's own links: no home network is behind these.
_NOT_HOME = (
    "lo", "docker", "br-", "veth", "virbr", "vmnet", "cni", "flannel", "piswarm",
    "tun", "tap", "utun", "wg", "tailscale", "zt", "awdl", "llw", "bridge",
)  # fmt: skip


@dataclass(frozen=True)
class Link:
    """A network interface of this computer.

    Attributes:
        interface: its name.
        addresses: our own IPv4 addresses on it, each with its network.
    """

    interface: str
    addresses: tuple[IPv4Interface, ...]

    def reaches(self, address: str) -> bool:
        """Return whether `address` is in one of this link's networks, or needs none (169.254.0.0/16)."""
        wanted = IPv4Address(address)
        return wanted.is_link_local or any(wanted in own.network for own in self.addresses)

    def neighbours(self, own: IPv4Interface) -> list[str]:
        """Return the addresses around `own` that another node may have."""
        if own.ip.is_loopback:
            return []
        around = own.network
        if around.prefixlen < _LARGEST_PREFIX:
            around = IPv4Network((own.ip, _OWN_PART), strict=False)
        return [str(address) for address in around.hosts() if address != own.ip]


def read_links(interfaces: Iterable[str]) -> list[Link]:
    """Return the links behind the given interfaces of this computer.

    Args:
        interfaces: names of interfaces, for example `eth0`.

    Raises:
        DiscoveryError: one does not exist or has no IPv4 address, or none was given.
    """
    present = {adapter.nice_name: adapter for adapter in ifaddr.get_adapters()}
    links = [_link(name, present) for name in dict.fromkeys(interfaces)]
    if not links:
        raise DiscoveryError(
            "This computer has no network interface to look on.",
            f"Connect it, or name one with --interface. {_told(present)}",
        )
    return links


def default_interfaces() -> list[str]:
    """Return the interfaces to look on when none is named: those of home networks, no bridges or tunnels."""
    return [
        adapter.nice_name
        for adapter in ifaddr.get_adapters()
        if not adapter.nice_name.startswith(_NOT_HOME) and any(ip.is_IPv4 for ip in adapter.ips)
    ]


def _link(name: str, present: dict[str, ifaddr.Adapter]) -> Link:
    if name not in present:
        raise DiscoveryError(
            f"There is no network interface '{name}' here.",
            f"Name another with --interface. {_told(present)}",
        )
    addresses = tuple(IPv4Interface(f"{ip.ip}/{ip.network_prefix}") for ip in present[name].ips if ip.is_IPv4)
    if not addresses:
        raise DiscoveryError(
            f"The network interface '{name}' has no IPv4 address.",
            f"Connect it, or name another with --interface. {_told(present)}",
        )
    return Link(name, addresses)


def _told(present: dict[str, ifaddr.Adapter]) -> str:
    usable = sorted(name for name, adapter in present.items() if any(ip.is_IPv4 for ip in adapter.ips))
    return f"Those with an IPv4 address: {', '.join(usable)}."
