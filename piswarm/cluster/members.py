"""The stories of `piswarm node` and `piswarm reset`: nodes rest, come back, and leave."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import docker

from piswarm.cluster import swarm
from piswarm.cluster.connect import Connection, connect
from piswarm.cluster.engine import Engine, engine_of
from piswarm.cluster.health import quorum_after_loss
from piswarm.cluster.inventory import REGISTRY, Cluster, NodeRecord, inventory_document, save_cluster
from piswarm.cluster.plan import SwarmMember, SwarmView
from piswarm.cluster.probe import on_all, probe
from piswarm.cluster.provision import run_playbook
from piswarm.cluster.status import manager_of, member_of, require_member
from piswarm.console import Console
from piswarm.errors import PartialError, PiswarmError, SwarmError
from piswarm.secret import Secret
from piswarm.settings import Settings

DRAIN_TIMEOUT_S = 120.0
LEAVE_TIMEOUT_S = 60.0


def set_availability(cluster: Cluster, name: str, availability: str, console: Console) -> None:
    """Drain a node (its tasks move elsewhere, and none come) or make it active again.

    Args:
        cluster: the cluster.
        name: name of the node.
        availability: `drain` or `active`.
        console: where progress is shown.

    Raises:
        ConfigError: the cluster has no such node.
        SwarmError: no manager answers, or the tasks did not move in time.
    """
    record = cluster.node(name)
    with manager_of(cluster, console) as (_, engine):
        member = require_member(swarm.read_swarm(engine), record)
        swarm.update_member(engine, member.node_id, availability=availability)
        if availability == "drain":
            with console.step("Moving its tasks elsewhere", name):
                _wait_until_empty(engine, member.node_id, name)


def remove_node(
    cluster: Cluster,
    name: str,
    settings: Settings,
    console: Console,
    *,
    force: bool = False,
    sudo_password: Secret | None = None,
) -> Cluster:
    """Take a node out of the Swarm, give it back as it was, and write the record without it.

    Args:
        cluster: the cluster.
        name: name of the node.
        settings: the user's settings.
        console: where progress is shown.
        force: also when the node cannot be reached.
        sudo_password: what sudo asks for on the node.

    Returns:
        The cluster without the node.

    Raises:
        ConfigError: the cluster has no such node.
        SwarmError: removing it would cost the quorum or the registry, or no manager answers.
        ConnectError: the node cannot be reached, and `force` was not given.
    """
    record = cluster.node(name)
    remaining = replace(cluster, nodes=tuple(node for node in cluster.nodes if node is not record))
    with connect(cluster, record, sudo_password) as connection:
        reachable = _is_reachable(connection, force)
        with manager_of(replace(remaining, nodes=remaining.nodes or cluster.nodes), console) as (_, engine):
            view = swarm.read_swarm(engine)
            member = member_of(view, record)
            refuse_removal(view, record, member)
            if member is not None:
                _take_out(engine, member, connection if reachable else None, console)
    save_cluster(settings, remaining)
    if reachable:
        failures = give_back(cluster, [record], console, sudo_password=sudo_password)
        if failures:
            raise _not_given_back(failures)
    return remaining


def refuse_removal(view: SwarmView, record: NodeRecord, member: SwarmMember | None) -> None:
    """Refuse to remove a node that the cluster cannot do without.

    Raises:
        SwarmError: it is the last manager, holds the registry, or its loss would cost the quorum.
    """
    if member is None or member.role != "manager":
        return
    if "piswarm.registry" in member.labels:
        raise SwarmError(
            f"{record.name} holds the cluster's registry with all images; nothing was changed.",
            "Remove another node, or make the cluster anew: 'piswarm reset', then 'piswarm init'.",
        )
    managers = [one for one in view.members.values() if one.role == "manager"]
    others = [one for one in managers if one is not member]
    up = sum(one.up for one in others)
    if not others or len(others) - up > quorum_after_loss(len(others)):
        raise SwarmError(
            f"Without {record.name} only {up} of {len(others)} managers would be up: no quorum. Nothing was changed.",
            "Bring the other managers back first; 'piswarm status' shows them.",
        )


def reset_cluster(
    cluster: Cluster,
    settings: Settings,
    console: Console,
    *,
    purge: bool = False,
    sudo_password: Secret | None = None,
) -> None:
    """Dissolve the cluster: all nodes leave the Swarm and are given back; the record goes last.

    Args:
        cluster: the cluster.
        settings: the user's settings.
        console: where progress is shown.
        purge: also remove Docker where piswarm installed it.
        sudo_password: what sudo asks for on the nodes.

    Raises:
        PartialError: some nodes could not be reached or given back; the record then holds only these.
    """
    with console.step("Leaving the Swarm"), ExitStack() as cleanup:
        connections = [connect(cluster, node) for node in reversed(cluster.nodes)]
        for connection in connections:
            cleanup.callback(connection.close)
        results = on_all(connections, _leave)
    failures = {result.node: result.error.message for result in results if result.error}
    reached = [node for node in cluster.nodes if node.name not in failures]
    failures |= (
        give_back(cluster, reached, console, purge=purge, sudo_password=sudo_password) if reached else {}
    )
    if failures:
        left = tuple(node for node in cluster.nodes if node.name in failures)
        save_cluster(settings, replace(cluster, nodes=left))
        raise _not_given_back(failures)
    shutil.rmtree(cluster.directory)
    if settings.current_file.exists() and settings.current_file.read_text().strip() == cluster.name:
        settings.current_file.unlink()


def needs_sudo_password(cluster: Cluster) -> bool:
    """Return whether sudo asks for a password on a node of the cluster that answers."""
    with ExitStack() as cleanup:
        connections = [connect(cluster, node) for node in cluster.nodes]
        for connection in connections:
            cleanup.callback(connection.close)
        return any(
            result.value is not None and not result.value.has_root for result in on_all(connections, probe)
        )


def give_back(
    cluster: Cluster,
    nodes: Sequence[NodeRecord],
    console: Console,
    *,
    purge: bool = False,
    sudo_password: Secret | None = None,
) -> dict[str, str]:
    """Take from nodes what piswarm gave them; they must have left the Swarm.

    Returns:
        What failed, by node.
    """
    document = inventory_document(replace(cluster, nodes=tuple(nodes)))
    document["all"]["vars"] |= {
        "ansible_python_interpreter": "/usr/bin/python3",
        "restore_registry": REGISTRY,
        "restore_public_key": (cluster.directory / "id_ed25519.pub").read_text().strip(),
        "restore_purge": purge,
    }
    with console.step(f"Giving back {', '.join(node.name for node in nodes)} with Ansible"):
        return run_playbook(
            "reset.yml",
            document,
            sudo_password=sudo_password,
            on_task=lambda node, task: console.progress(task, node),
            log_file=cluster.directory / "logs" / "reset.log",
        ).failures


def _is_reachable(connection: Connection, force: bool) -> bool:
    try:
        connection.open()
    except PiswarmError:
        if not force:
            raise
        return False
    return True


def _take_out(engine: Engine, member: SwarmMember, connection: Connection | None, console: Console) -> None:
    swarm.update_member(engine, member.node_id, availability="drain")
    if connection is not None:
        with console.step("Moving its tasks elsewhere", member.hostname):
            _wait_until_empty(engine, member.node_id, member.hostname)
    with console.step("Leaving the Swarm", member.hostname):
        if member.role == "manager":
            swarm.update_member(engine, member.node_id, role="worker")
        if connection is not None:
            _leave(connection)
        swarm.forget_member(engine, member.node_id, "worker")


def _leave(connection: Connection) -> None:
    """Leave the Swarm and remove the cluster's volumes and images; a second time changes nothing."""
    with engine_of(connection) as own:
        if own.info()["Swarm"]["LocalNodeState"] != "inactive":
            own.leave_swarm(force=True)
        deadline = time.monotonic() + LEAVE_TIMEOUT_S
        while (left := _leftovers(own)) and time.monotonic() < deadline:
            for remove, name in left:
                try:
                    remove(name, force=True)
                except docker.errors.APIError:
                    time.sleep(0.5)  # still held by a task that is ending
        if left:
            names = ", ".join(name for _, name in left)
            raise SwarmError(
                f"{connection.node}: {names} could not be removed within {LEAVE_TIMEOUT_S:.0f} s."
            )


def _leftovers(own: Engine) -> list[tuple[Callable[..., object], str]]:
    containers = own.containers(all=True, filters={"label": "com.docker.swarm.service.name"})
    volumes = own.volumes(filters={"label": f"com.docker.stack.namespace={swarm.STACK}"})["Volumes"] or []
    images = own.images(filters={"reference": f"{REGISTRY}/*/*"})
    return (
        [(own.remove_container, one["Id"]) for one in containers]
        + [(own.remove_volume, one["Name"]) for one in volumes]
        + [(own.remove_image, one["Id"]) for one in images]
    )


def _wait_until_empty(engine: Engine, node_id: str, name: str) -> None:
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while True:
        tasks = engine.tasks(filters={"node": node_id})
        left = [task for task in tasks if task["Status"]["State"] in {"running", "starting", "preparing"}]
        if not left:
            return
        if time.monotonic() > deadline:
            raise SwarmError(
                f"{len(left)} tasks were still on {name} after {DRAIN_TIMEOUT_S:.0f} s.",
                "See 'docker node ps' on a manager; another node must have room for them.",
            )
        time.sleep(0.5)


def _not_given_back(failures: Mapping[str, str]) -> PartialError:
    told = "\n  ".join(f"{node}: {text}" for node, text in failures.items())
    return PartialError(
        f"Not all nodes could be given back:\n  {told}",
        "Run the same command again when they can be reached; or flash them anew.",
    )
