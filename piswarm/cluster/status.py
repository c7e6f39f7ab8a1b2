"""The story of `piswarm status`: ask a manager what the cluster is like now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from piswarm.cluster import swarm
from piswarm.cluster.connect import Connection, connect
from piswarm.cluster.engine import Engine, engine_of
from piswarm.cluster.inventory import Cluster, NodeRecord
from piswarm.cluster.plan import SwarmMember, SwarmView
from piswarm.console import Console
from piswarm.errors import ConnectError, PiswarmError, SwarmError


@dataclass(frozen=True)
class NodeStatus:
    """A node of the cluster, as recorded and as the Swarm sees it.

    Attributes:
        record: what the record says.
        member: what the Swarm says; None when it does not know the node.
    """

    record: NodeRecord
    member: SwarmMember | None

    @property
    def role(self) -> str:
        """Return its role of now, or the recorded one when the Swarm does not know it."""
        return self.member.role if self.member else self.record.role

    @property
    def state(self) -> str:
        """Return `ready`, `drained`, `unreachable` (a manager without a vote), `down`, … or `not in the Swarm`."""
        if self.member is None:
            return "not in the Swarm"
        if self.member.up and self.member.availability != "active":
            return {"drain": "drained", "pause": "paused"}.get(
                self.member.availability, self.member.availability
            )
        return self.member.condition


@dataclass(frozen=True)
class ClusterStatus:
    """The cluster as it is now.

    Attributes:
        cluster: its record.
        nodes: its nodes, in the record's order.
        services: tasks that run and tasks wanted, by name of the service.
        asked: the manager that answered.
    """

    cluster: Cluster
    nodes: tuple[NodeStatus, ...]
    services: dict[str, tuple[int, int]]
    asked: str

    @property
    def healthy(self) -> bool:
        """Return whether all nodes are ready and all services run as wanted."""
        return all(node.state == "ready" for node in self.nodes) and all(
            running >= wanted for running, wanted in self.services.values()
        )


@contextmanager
def manager_of(cluster: Cluster, console: Console) -> Iterator[tuple[Connection, Engine]]:
    """Give a connection to a manager that controls the Swarm, and its engine: the first that answers.

    Raises:
        SwarmError: none of the managers answers; the message says why, for each.
    """
    reasons = []
    for record in cluster.managers:
        connection = connect(cluster, record)
        try:
            connection.open(timeout_s=8)
            with engine_of(connection) as engine:
                if not engine.info()["Swarm"].get("ControlAvailable"):
                    raise SwarmError(f"{record.name}: its engine does not control the Swarm.")
        except (ConnectError, SwarmError) as error:
            connection.close()
            reasons.append(error.message)
            continue
        with connection, engine_of(connection) as engine:
            swarm.wait_for_leader(engine, lambda: console.note(swarm.ELECTION))
            yield connection, engine
        return
    told = "\n  ".join(reasons) or "The record names no manager."
    raise SwarmError(
        f"No manager of cluster '{cluster.name}' answers:\n  {told}",
        "See that the managers are on and on this network; 'piswarm doctor' tells more.",
    )


def read_status(cluster: Cluster, console: Console) -> ClusterStatus:
    """Return what the cluster is like now.

    Raises:
        SwarmError: no manager answers.
    """
    with manager_of(cluster, console) as (connection, engine):
        view = swarm.read_swarm(engine)
        services = swarm.read_services(engine)
    nodes = tuple(NodeStatus(record, member_of(view, record)) for record in cluster.nodes)
    return ClusterStatus(cluster, nodes, services, connection.node)


def member_of(view: SwarmView, record: NodeRecord) -> SwarmMember | None:
    """Return the Swarm's member for a recorded node; one that is up wins over its own old entries."""
    same = [
        one for one in view.members.values() if one.hostname == record.name or one.address == record.address
    ]
    return min(same, key=lambda one: one.state != "ready", default=None)


def require_member(view: SwarmView, record: NodeRecord) -> SwarmMember:
    """Return the Swarm's member for a recorded node.

    Raises:
        PiswarmError: the Swarm does not know the node.
    """
    member = member_of(view, record)
    if member is None:
        raise PiswarmError(f"{record.name} is not in the Swarm.", "Run 'piswarm init' to join it again.")
    return member
