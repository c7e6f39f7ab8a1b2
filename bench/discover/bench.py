"""How long it takes to find three nodes, and how often all three are found.

The peer is what a program does that only browses for services: zeroconf's own browser, listening for the same
two seconds. Lost packets are dropped in the nodes, at random, in each direction.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import docker
from zeroconf import ServiceBrowser, ServiceInfo, Zeroconf

from piswarm.cluster.discover import DISCOVERY_TIME_S, look_around
from piswarm.cluster.links import read_links
from piswarm.cluster.mdns import SERVICE_TYPES
from piswarm.lab.names import Lab

NODES = 3
LAB_WITHIN_S = 600
LOOK_EVERY_S = 0.01


@dataclass(frozen=True)
class Row:
    """What came of looking several times in the same way."""

    how: str
    nodes: str
    lost_percent: int
    times: int
    all_found: int
    median_s: float
    slowest_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument(
        "--lose", type=int, default=30, help="percent of packets that the lossy network loses"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["PISWARM_HOME"] = home
        rows = [
            row
            for nodes, arguments in (("announced", []), ("silent", ["--silent"]))
            for row in measure(Lab(f"b{nodes[:5]}"), nodes, arguments, options)
        ]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} processors, {NODES} nodes, {options.times} looks a row")
    print(f"{'':22} {'nodes':10} {'lost':>5} {'all found':>10} {'median':>8} {'slowest':>8}")
    for row in rows:
        found = f"{row.all_found}/{row.times}"
        print(
            f"{row.how:22} {row.nodes:10} {row.lost_percent:>4}% {found:>10} {row.median_s:>6.2f} s "
            f"{row.slowest_s:>6.2f} s"
        )


def measure(lab: Lab, nodes: str, arguments: list[str], options: argparse.Namespace) -> Iterator[Row]:
    with lab_up(lab, arguments):
        for lost in (0, options.lose):
            lose_packets(lab, lost)
            for how, look in (("piswarm discover", our_way), ("browsing for services", plain_way)):
                yield repeated(how, nodes, lost, options.times, lambda look=look: look(lab.interface))


def repeated(how: str, nodes: str, lost: int, times: int, look: Callable[[], int]) -> Row:
    seconds, complete = [], 0
    for _ in range(times):
        began = time.monotonic()
        complete += look() == NODES
        seconds.append(time.monotonic() - began)
    return Row(how, nodes, lost, times, complete, statistics.median(seconds), max(seconds))


def our_way(interface: str) -> int:
    return len(look_around([interface]))


def plain_way(interface: str) -> int:
    own = [str(address.ip) for link in read_links([interface]) for address in link.addresses]
    zeroconf = Zeroconf(interfaces=own)
    announced: set[tuple[str, str]] = set()
    browser = ServiceBrowser(
        zeroconf,
        list(SERVICE_TYPES),
        handlers=[lambda zeroconf, service_type, name, state_change: announced.add((service_type, name))],
    )
    time.sleep(DISCOVERY_TIME_S)
    infos = [ServiceInfo(*one) for one in set(announced)]
    addresses = {
        address for info in infos if info.load_from_cache(zeroconf) for address in info.parsed_addresses()
    }
    browser.cancel()
    zeroconf.close()
    return len({address for address in addresses if ":" not in address})


def lose_packets(lab: Lab, percent: int) -> None:
    """Have each node lose `percent` of its mDNS packets, in each direction."""
    lose = f"-p udp --dport 5353 -m statistic --mode random --probability {percent / 100} -j DROP"
    rules = [f"-F {chain}" for chain in ("INPUT", "OUTPUT")]
    rules += [f"-A {chain} {lose}" for chain in ("INPUT", "OUTPUT") if percent]
    command = " && ".join(f"iptables -w 5 {rule}" for rule in rules)
    for container in docker.from_env().containers.list(filters={"label": lab.filters}):
        code, output = container.exec_run(["sh", "-c", command])
        if code != 0:
            raise SystemExit(f"{container.name}: {output.decode()}")


@contextmanager
def lab_up(lab: Lab, arguments: list[str]) -> Iterator[None]:
    piswarm(lab, "lab", "down")
    try:
        piswarm(lab, "lab", "up", "--nodes", str(NODES), *arguments)
        yield
    finally:
        piswarm(lab, "lab", "down")


def piswarm(lab: Lab, *arguments: str) -> None:
    environment = os.environ | {"PISWARM_LAB": lab.name, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "piswarm", *arguments]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=LAB_WITHIN_S)


if __name__ == "__main__":
    main()
