"""Whether nodes reach each other: Swarm's TCP ports directly, its UDP port 4789 through an overlay network.

VXLAN cannot be proven by a connect, so a task on each node calls a task on each other node.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker

from piswarm.cluster.connect import Connection, quote
from piswarm.cluster.engine import Engine
from piswarm.cluster.probe import NodeResult, on_all
from piswarm.errors import SwarmError

SWARM_PORT, GOSSIP_PORT, VXLAN_PORT = 2377, 7946, 4789
PROBE_SERVICE = "piswarm_mesh-probe"
NETWORK = "piswarm_functions"
TASKS_TIMEOUT_S = 60.0
_RESTART_DELAY_NS = 2 * 10**9
CALL_TIMEOUT_S = 3.0

_CALLED_PORT = 8080
_ANY_ANSWER = "any-answer"
"""A refusal will do: it was sent there and back. A task that has just started may not listen yet."""
_CALL = """
import concurrent.futures, json, socket, sys
def call(target):
    address, port = target
    try:
        socket.create_connection((address, port), TIMEOUT).close()
        return ""
    except OSError as error:
        if isinstance(error, ConnectionRefusedError) and "ANY_ANSWER" in sys.argv:
            return ""
        return str(error) or type(error).__name__
targets = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    print(json.dumps(list(pool.map(call, targets))))
""".replace("TIMEOUT", str(CALL_TIMEOUT_S)).replace("ANY_ANSWER", _ANY_ANSWER)
_SERVE = f"""
import socketserver, sys, threading
threading.Timer(180, lambda: __import__("os")._exit(0)).start()
socketserver.ThreadingTCPServer(("", {_CALLED_PORT}), socketserver.BaseRequestHandler).serve_forever()
"""


@dataclass(frozen=True)
class Gap:
    """A direction that does not work.

    Attributes:
        source: the node that called.
        target: the node that was called.
        port: Swarm's port, and `tcp` or `udp`.
        observed: what was seen.
    """

    source: str
    target: str
    port: str
    observed: str


def tcp_gaps(connections: Sequence[Connection], managers: Sequence[str]) -> list[Gap]:
    """Return between which nodes Swarm's TCP ports cannot be reached.

    Args:
        connections: open connections to all nodes.
        managers: names of those that are managers.
    """

    def targets_of(source: Connection) -> list[tuple[Connection, int]]:
        others = [one for one in connections if one is not source]
        return [(one, GOSSIP_PORT) for one in others] + [
            (one, SWARM_PORT) for one in others if one.node in managers
        ]

    def call(source: Connection) -> list[Gap]:
        targets = targets_of(source)
        asked = json.dumps([(one.address, port) for one, port in targets])
        answer = source.run(quote("python3", "-c", _CALL, asked), timeout_s=30)
        return [
            Gap(source.node, one.node, f"{port}/tcp", observed)
            for (one, port), observed in zip(targets, json.loads(answer.stdout), strict=True)
            if observed
        ]

    return _gaps_of(on_all(connections, call))


def overlay_gaps(engine: Engine, connections: Sequence[Connection], image: str) -> list[Gap]:
    """Return between which nodes the overlay network carries nothing.

    Args:
        engine: the engine of a manager.
        connections: open connections to all nodes that are ready.
        image: an image with python3 that all nodes can pull with what the engine's client knows of registries.

    Raises:
        SwarmError: the probe's tasks did not start in time; the message names the nodes and their errors.
    """
    with _probe_tasks(engine, [one.node for one in connections], image) as tasks:

        def call(source: Connection) -> list[Gap]:
            own = tasks[source.node]
            targets = [node for node in tasks if node != source.node]
            asked = json.dumps([(tasks[node].address, _CALLED_PORT) for node in targets])
            answer = source.run(
                quote("docker", "exec", own.container, "python3", "-c", _CALL, asked, _ANY_ANSWER),
                timeout_s=30,
            )
            return [
                Gap(source.node, node, f"{VXLAN_PORT}/udp", observed)
                for node, observed in zip(targets, json.loads(answer.stdout), strict=True)
                if observed
            ]

        results = on_all(connections, call)
    return _gaps_of(results)


def _gaps_of(results: Sequence[NodeResult[list[Gap]]]) -> list[Gap]:
    """Return all gaps.

    Raises:
        PiswarmError: a node could not be asked.
    """
    broken = next((result.error for result in results if result.error), None)
    if broken:
        raise broken
    return [gap for result in results for gap in result.value or ()]


@dataclass(frozen=True)
class _Task:
    container: str
    address: str


@contextmanager
def _probe_tasks(engine: Engine, nodes: Sequence[str], image: str) -> Iterator[dict[str, _Task]]:
    """Run one task on each node; they are removed at the end, and end by themselves after three minutes."""
    _remove_probe(engine)
    container = docker.types.ContainerSpec(
        image, command=["python3", "-c", _SERVE], healthcheck=docker.types.Healthcheck(test=["NONE"])
    )
    template = docker.types.TaskTemplate(
        container,
        # Again where it fails: an engine knows a name from /etc/hosts only seconds after it was written there.
        restart_policy=docker.types.RestartPolicy("on-failure", delay=_RESTART_DELAY_NS),
        resources=docker.types.Resources(mem_limit=64 * 2**20),
        networks=[{"Target": NETWORK}],
    )
    created = engine.create_service(
        template,
        name=PROBE_SERVICE,
        mode="global",
        endpoint_spec=docker.types.EndpointSpec(mode="dnsrr"),
    )
    try:
        yield _wait_for_tasks(engine, created["ID"], nodes)
    finally:
        _remove_probe(engine)


def _wait_for_tasks(engine: Engine, service: str, nodes: Sequence[str]) -> dict[str, _Task]:
    names = {one["ID"]: one["Description"]["Hostname"] for one in engine.nodes()}
    deadline = time.monotonic() + TASKS_TIMEOUT_S
    while True:
        tasks = sorted(engine.tasks(filters={"service": service}), key=lambda task: str(task["CreatedAt"]))
        running = {
            names[task["NodeID"]]: _Task(task["Status"]["ContainerStatus"]["ContainerID"], _address(task))
            for task in tasks
            if task["Status"]["State"] == "running" and _address(task)
        }
        missing = [node for node in nodes if node not in running]
        if not missing:
            return {node: running[node] for node in nodes}
        if time.monotonic() > deadline:
            seen = {names.get(task.get("NodeID", ""), "?"): task["Status"] for task in tasks}
            told = "; ".join(
                f"{node}: {seen[node].get('Err') or seen[node]['State']}"
                if node in seen
                else f"{node}: no task"
                for node in missing
            )
            raise SwarmError(
                f"The overlay network could not be tried: its tasks did not run in {TASKS_TIMEOUT_S:.0f} s ({told}).",
                "See 'journalctl -u docker' on these nodes.",
            )
        time.sleep(0.3)


def _address(task: Mapping[str, Any]) -> str:
    for attachment in task.get("NetworksAttachments") or ():
        if attachment["Network"]["Spec"]["Name"] == NETWORK and attachment.get("Addresses"):
            return str(attachment["Addresses"][0]).partition("/")[0]
    return ""


def _remove_probe(engine: Engine) -> None:
    for service in engine.services(filters={"name": PROBE_SERVICE}):
        if service["Spec"]["Name"] == PROBE_SERVICE:
            engine.remove_service(service["ID"])


def raise_gaps(gaps: Sequence[Gap]) -> None:
    """Turn gaps into an error that names each direction.

    Raises:
        SwarmError: there are gaps.
    """
    if gaps:
        told = "\n  ".join(f"{gap.source} -> {gap.target}, port {gap.port}: {gap.observed}" for gap in gaps)
        raise SwarmError(
            f"Nodes do not reach each other:\n  {told}",
            "Open these ports between the nodes (2377/tcp to managers, 7946/tcp and udp, 4789/udp).",
        )
