"""The lab's own bridge, on a subnet that nothing else on this machine uses."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import docker
from docker.errors import APIError
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from piswarm.errors import LabError
from piswarm.lab import engine
from piswarm.lab.names import Lab

# Home routers and Docker itself use other ranges; a cluster's overlay networks are told to keep out.
_CANDIDATES = tuple(IPv4Network((f"10.213.{number}.0", 24)) for number in range(256))
_ROUTES = Path("/proc/net/route")
_FIRST_NODE = 10


def free_subnets(used: Iterable[IPv4Network]) -> list[IPv4Network]:
    """Return the subnets that a lab may take, best first: those that overlap nothing in `used`."""
    taken = list(used)
    return [candidate for candidate in _CANDIDATES if not any(candidate.overlaps(other) for other in taken)]


def node_address(subnet: IPv4Network, number: int) -> IPv4Address:
    """Return the fixed address of the node with this number, counted from 1."""
    return subnet[_FIRST_NODE + number]


def parse_routes(table: str) -> list[IPv4Network]:
    """Return the networks of a routing table in the form of `/proc/net/route`, without the default route."""
    networks = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        destination, mask = (_from_kernel(fields[column]) for column in (1, 7))
        if int(mask):
            networks.append(IPv4Network((int(destination), bin(int(mask)).count("1"))))
    return networks


def ensure_network(client: docker.DockerClient, lab: Lab) -> Network:
    """Return the lab's bridge network; make it if it is not there.

    Raises:
        LabError: there is no free subnet, or the engine refuses.
    """
    existing = find_network(client, lab)
    if existing is not None:
        return existing
    with engine.telling(f"The lab's network {lab.interface} could not be made"):
        return _create(client, lab, free_subnets([*_routes(), *_engine_subnets(client)]))


def find_network(client: docker.DockerClient, lab: Lab) -> Network | None:
    """Return the lab's network, or None."""
    with engine.telling("The engine's networks cannot be read"):
        found = client.networks.list(filters={"label": lab.filters})
    return found[0] if found else None


def subnet_of(network: Network) -> IPv4Network:
    """Return the IPv4 subnet of a network."""
    return _subnets(network)[0]


def _create(client: docker.DockerClient, lab: Lab, free: list[IPv4Network]) -> Network:
    for subnet in free:
        try:
            return client.networks.create(
                lab.interface,
                driver="bridge",
                labels=lab.labels,
                options={"com.docker.network.bridge.name": lab.interface},
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))]),
            )
        except APIError as error:
            if "overlap" not in str(error.explanation):
                raise
    raise LabError(
        f"No subnet is free for the lab: from {_CANDIDATES[0]} to {_CANDIDATES[-1]}, all are in use.",
        "See which: ip route; docker network ls",
    )


def _routes() -> list[IPv4Network]:
    return parse_routes(_ROUTES.read_text()) if _ROUTES.exists() else []


def _engine_subnets(client: docker.DockerClient) -> list[IPv4Network]:
    return [subnet for network in client.networks.list() for subnet in _subnets(network)]


def _subnets(network: Network) -> list[IPv4Network]:
    pools = network.attrs["IPAM"]["Config"] or []
    return [IPv4Network(pool["Subnet"]) for pool in pools if ":" not in pool.get("Subnet", ":")]


def _from_kernel(field: str) -> IPv4Address:
    return IPv4Address(socket.inet_ntoa(struct.pack("=I", int(field, 16))))
