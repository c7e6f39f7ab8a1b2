"""What there is of a lab."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import docker
from docker.models.containers import Container

from piswarm.errors import LabError
from piswarm.lab import engine
from piswarm.lab.names import Lab
from piswarm.lab.network import find_network, subnet_of
from piswarm.lab.node import NODE_LABEL


@dataclass(frozen=True)
class LabNode:
    """One node as it is now.

    Attributes:
        name: its name in the lab.
        address: its fixed IPv4 address.
        mac: its MAC address.
        state: what the engine says of its container: running, exited, …
    """

    name: str
    address: str
    mac: str
    state: str


@dataclass(frozen=True)
class LabStatus:
    """A lab as it is now.

    Attributes:
        name: the lab's name.
        interface: its bridge on this machine.
        subnet: its IPv4 subnet; empty when the lab is down.
        nodes: its nodes in the order of their numbers.
    """

    name: str
    interface: str
    subnet: str
    nodes: tuple[LabNode, ...]

    def document(self) -> dict[str, object]:
        """Return the status as a JSON document."""
        return {"version": 1, **asdict(self)}


def read_status(client: docker.DockerClient, lab: Lab) -> LabStatus:
    """Return what there is of the lab.

    Raises:
        LabError: the engine cannot say.
    """
    network = find_network(client, lab)
    described = (_describe(lab, container) for container in list_nodes(client, lab))
    nodes = sorted(described, key=lambda node: (len(node.name), node.name))
    return LabStatus(lab.name, lab.interface, str(subnet_of(network)) if network else "", tuple(nodes))


def list_nodes(client: docker.DockerClient, lab: Lab) -> list[Container]:
    """Return the containers of the lab's nodes, running or not."""
    with engine.telling("The lab's nodes cannot be read"):
        return list(client.containers.list(all=True, filters={"label": [NODE_LABEL, *lab.filters]}))


def find_node(client: docker.DockerClient, lab: Lab, name: str) -> Container:
    """Return the container of the node `name`.

    Raises:
        LabError: the lab has no such node.
    """
    nodes = {str(container.labels[NODE_LABEL]): container for container in list_nodes(client, lab)}
    if name not in nodes:
        there = ", ".join(sorted(nodes)) or "none"
        raise LabError(
            f"The lab '{lab.name}' has no node {name}; there is: {there}.",
            "Make nodes: piswarm lab up --nodes 3",
        )
    return nodes[name]


def address_of(container: Container) -> str:
    """Return the fixed address of a node, running or not."""
    (endpoint,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str((endpoint["IPAMConfig"] or {})["IPv4Address"])


def _describe(lab: Lab, container: Container) -> LabNode:
    name = container.labels[NODE_LABEL]
    return LabNode(name, address_of(container), lab.mac_address(name), container.status)
