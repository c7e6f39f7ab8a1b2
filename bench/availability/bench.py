"""What callers notice while a function's replicas come and go: failed calls and the slowest ones.

Calls come at a steady rate, whether the ones before have been answered or not, half of them over connections
that are kept and half over new ones, through the first manager's gateway. A call counts as slow by the time
from when it was due, so a gateway that stops for a moment is not flattered.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3
from shared import deploy_echo, piswarm

from piswarm.cluster.connect import connect
from piswarm.cluster.inventory import Cluster, load_cluster
from piswarm.functions.gateway import GatewayClient
from piswarm.settings import Settings

FUNCTION = "bench-availability"
CALLERS = 40
ANSWER_WITHIN_S = 20.0
SETTLED_WITHIN_S = 180.0
AFTERWARDS_S = 4.0
SLOW_S = 0.5


@dataclass
class Calls:
    """What callers noticed."""

    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=int, default=200, help="calls a second")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cluster = load_cluster(Settings.from_environment())
    if len(cluster.nodes) < 3:
        sys.exit("This takes a cluster of three nodes.")
    gateway = GatewayClient(cluster.gateway_url, *cluster.gateway_credentials)
    deploy_echo(FUNCTION)
    rows = []
    try:
        for run in range(options.runs):
            for name, happens in events(cluster, gateway, run).items():
                gateway.scale(FUNCTION, 2)
                until_ready(gateway, 2)
                with calling(f"{cluster.gateway_url}/function/{FUNCTION}", options.rate) as calls:
                    happens()
                    time.sleep(AFTERWARDS_S)
                rows.append(row(name, run, calls))
                print(line(rows[-1]), file=sys.stderr, flush=True)
    finally:
        piswarm("remove", FUNCTION, "--yes")
    if options.json:
        print(json.dumps(rows, indent=2))


def events(cluster: Cluster, gateway: GatewayClient, run: int) -> dict[str, Callable[[], None]]:
    """Return what is to happen under load, by name."""

    def update() -> None:
        gateway.put(described(gateway) | {"envVars": {"RUN": f"{run} {time.time()}"}})
        until_ready(gateway, 2)

    def scale() -> None:
        gateway.scale(FUNCTION, 5)
        until_ready(gateway, 5)
        gateway.scale(FUNCTION, 2)
        time.sleep(AFTERWARDS_S)

    def drain() -> None:
        node = next(node for node in node_of_replicas(cluster) if node != cluster.manager.name)
        piswarm("node", "drain", node)
        until_ready(gateway, 2)
        time.sleep(AFTERWARDS_S)
        piswarm("node", "activate", node)

    def kill() -> None:
        node = cluster.node(node_of_replicas(cluster)[0])
        with connect(cluster, node) as connection:
            found = f"docker ps --quiet --filter label=com.docker.swarm.service.name={FUNCTION} | head -n 1"
            connection.run(f"docker kill --signal KILL $({found})", timeout_s=60)
        time.sleep(AFTERWARDS_S)
        until_ready(gateway, 2)

    return {
        "rolling update": update,
        "scale 2 to 5 to 2": scale,
        "a node is drained": drain,
        "one of two replicas is killed": kill,
    }


def described(gateway: GatewayClient) -> dict[str, object]:
    """Return the body that deploys what runs now."""
    status = gateway.existing(FUNCTION)
    kept = ("image", "labels", "annotations", "constraints", "secrets", "limits", "requests")
    return {"service": FUNCTION} | {name: status[name] for name in kept if status.get(name)}


def until_ready(gateway: GatewayClient, replicas: int) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while (status := gateway.existing(FUNCTION)) and not (
        status["availableReplicas"] == replicas == status["replicas"] and status["state"] == "ready"
    ):
        if time.monotonic() > deadline:
            sys.exit(f"{FUNCTION} did not settle within {SETTLED_WITHIN_S:.0f} s: {status}")
        time.sleep(0.2)


def node_of_replicas(cluster: Cluster) -> list[str]:
    """Return the names of the nodes on which a replica runs."""
    command = f"docker service ps --filter desired-state=running --format '{{{{.Node}}}}' {FUNCTION}"
    with connect(cluster, cluster.manager) as manager:
        return manager.run(command, timeout_s=60).stdout.split()


@contextmanager
def calling(url: str, rate: int) -> Iterator[Calls]:
    """Call a function `rate` times a second during the block."""
    calls, done = Calls(), threading.Event()
    began = time.monotonic()

    def call(number: int) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=ANSWER_WITHIN_S)
        headers = {"Connection": "close"} if number % 2 else {}
        due = began + number / rate
        while not done.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            body = f"{number} {due}".encode()
            try:
                answer = pool.request("POST", url, body=body, headers=headers)
                if (answer.status, answer.data) != (200, body):
                    calls.faults.append(f"{answer.status}: {answer.data[:200]!r}")
            except urllib3.exceptions.HTTPError as error:
                calls.faults.append(f"{type(error).__name__}: {error}")
            calls.seconds.append(time.monotonic() - due)
            due += CALLERS / rate

    callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(1)
        yield calls
    finally:
        done.set()
        for caller in callers:
            caller.join(ANSWER_WITHIN_S * 2)


def row(name: str, run: int, calls: Calls) -> dict[str, object]:
    seconds = sorted(calls.seconds)
    return {
        "event": name,
        "run": run + 1,
        "calls": len(seconds),
        "failed": len(calls.faults),
        "slower_than_0.5_s": sum(one > SLOW_S for one in seconds),
        "p50_ms": round(seconds[len(seconds) // 2] * 1000, 1),
        "p99_ms": round(seconds[len(seconds) * 99 // 100] * 1000, 1),
        "slowest_ms": round(seconds[-1] * 1000, 1),
        "faults": sorted(set(calls.faults))[:5],
    }


def line(one: dict[str, object]) -> str:
    return (
        f"run {one['run']}  {one['event']:30} {one['calls']:>6} calls  {one['failed']:>3} failed  "
        f"p50 {one['p50_ms']:>6} ms  p99 {one['p99_ms']:>7} ms  slowest {one['slowest_ms']:>7} ms  "
        f"{one['slower_than_0.5_s']} above 0.5 s  {'; '.join(one['faults'])}"  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main()
