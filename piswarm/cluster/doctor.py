"""The story of `piswarm doctor`: the checks of `init` on a living cluster, and what only a living one shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from piswarm.cluster import checks, health, mesh, swarm
from piswarm.cluster.connect import Connection, connect
from piswarm.cluster.engine import Engine
from piswarm.cluster.finding import FAULT, OK, WARNING, Finding
from piswarm.cluster.inventory import REGISTRY, Cluster
from piswarm.cluster.plan import nodes_for_images
from piswarm.cluster.probe import on_all, probe
from piswarm.cluster.status import manager_of
from piswarm.cluster.swarm import read_services
from piswarm.console import Console
from piswarm.errors import PiswarmError, SwarmError
from piswarm.secret import Secret

_LOOK = "See that it is on and on this network; 'ssh' to it tells more."


def diagnose(cluster: Cluster, console: Console, sudo_password: Secret | None = None) -> list[Finding]:
    """Return everything that is wrong with a cluster, each with its remedy; faults first.

    Args:
        cluster: the cluster.
        console: where progress is shown.
        sudo_password: lets the probe see what only root sees; None to do without.
    """
    with ExitStack() as cleanup:
        connections = [connect(cluster, node, sudo_password) for node in cluster.nodes]
        for connection in connections:
            cleanup.callback(connection.close)
        with console.step(f"Probing {len(connections)} nodes"):
            results = on_all(connections, probe)
        findings = [_unreachable(result.node, result.error) for result in results if result.error]
        facts = {result.node: result.value for result in results if result.value}
        reached = [connection for connection in connections if connection.node in facts]
        findings += health.check_certificates(facts, time.time()) + health.check_clocks(facts)
        with console.step("Trying the ways between nodes"):
            findings += _direct_ways(cluster, reached)
        members: tuple[str, ...] = ()
        swarm_id = ""
        try:
            with manager_of(cluster, console) as (_, engine):
                view = swarm.read_swarm(engine)
                members, swarm_id = tuple(view.members), view.cluster_id
                findings += health.check_members(view) + health.check_services(read_services(engine))
                with console.step("Trying the overlay network"):
                    able = nodes_for_images(facts, cluster.image_arch)
                    findings += _overlay(cluster, engine, [one for one in reached if one.node in able])
        except SwarmError as error:
            findings.append(Finding(FAULT, "", "swarm", error.message, error.hint))
        findings += checks.check_nodes(
            facts,
            cluster=cluster.name,
            swarm_id=swarm_id,
            swarm_members=members,
            managers=[node.name for node in cluster.managers],
        )
    order = (FAULT, WARNING, OK)
    return sorted(findings, key=lambda found: order.index(found.level))


def _unreachable(node: str, error: PiswarmError) -> Finding:
    return Finding(FAULT, node, "unreachable", error.message, error.hint or _LOOK)


def _direct_ways(cluster: Cluster, reached: Sequence[Connection]) -> list[Finding]:
    try:
        return health.check_ways(mesh.tcp_gaps(reached, [node.name for node in cluster.managers]))
    except PiswarmError as error:
        return [Finding(FAULT, "", "reachability", error.message, error.hint or _LOOK)]


def _overlay(cluster: Cluster, engine: Engine, reached: Sequence[Connection]) -> list[Finding]:
    image = swarm.function_base_image(engine)
    engine.use_registry(REGISTRY, *cluster.registry_credentials)
    ready = {one.hostname for one in swarm.read_swarm(engine).members.values() if one.usable}
    connections = [one for one in reached if one.node in ready]
    if len(connections) < 2:
        return []
    try:
        return health.check_ways(mesh.overlay_gaps(engine, connections, image))
    except PiswarmError as error:
        return [Finding(FAULT, "", "overlay", error.message, error.hint)]
