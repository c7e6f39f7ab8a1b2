"""How long `piswarm lab up` takes: with nothing in the cache, with the image there, for 3 and for 9 nodes.

The peer is the engine itself in the same run: as many containers of the node image that only sleep.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from shared import report_seconds

from piswarm.lab.mirror import read_mirror

ROOT = Path(__file__).parents[2]
LAB = "benchup"
SIZES = (3, 9)
WITHIN_S = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often each is done")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    taken: dict[str, list[float]] = defaultdict(list)
    try:
        taken["3 nodes, nothing in the cache"].append(from_nothing())
        for _ in range(options.times):
            for nodes in SIZES:
                taken[f"{nodes} nodes, image there"].append(piswarm("up", "--nodes", str(nodes)))
                taken[f"{nodes} nodes, all up already"].append(piswarm("up", "--nodes", str(nodes)))
                taken[f"down, {nodes} nodes"].append(piswarm("down"))
                taken[f"peer: {nodes} containers that sleep"].append(sleepers(nodes))
    finally:
        piswarm("down")
    report_seconds(taken, as_json=options.json)


def from_nothing() -> float:
    """Bring up a lab from images of its own: a mirror without its security archive is another recipe."""
    engine = docker.from_env()
    before = {image.id for image in engine.images.list()}
    mirror = read_mirror()
    if mirror is None:
        sys.exit("There is no Debian mirror in this machine's apt sources.")
    try:
        with tempfile.TemporaryDirectory() as cache:
            return piswarm("up", "--nodes", "3", PISWARM_CACHE=cache, PISWARM_MIRROR=mirror.main)
    finally:
        piswarm("down")
        for image in engine.images.list(filters={"label": "piswarm.lab.image"}):
            if image.id not in before:
                engine.images.remove(image.id)


def sleepers(count: int) -> float:
    """Start and remove containers of the node image that only sleep; return how long the start took."""
    engine = docker.from_env()
    (tag,) = engine.images.list(filters={"label": "piswarm.lab.image=node"})[0].tags[:1]
    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        started = list(
            pool.map(
                lambda _: engine.containers.run(tag, ["sleep", "60"], detach=True, init=True), range(count)
            )
        )
    took = time.monotonic() - began
    for container in started:
        container.remove(force=True)
    return took


def piswarm(*arguments: str, **environment: str) -> float:
    """Run `piswarm lab …`, which must succeed, and return how long it took, in seconds."""
    began = time.monotonic()
    ran = subprocess.run(
        [str(ROOT / ".venv/bin/piswarm"), "lab", *arguments],
        env=os.environ | {"PISWARM_LAB": LAB} | environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if ran.returncode != 0:
        sys.exit(f"lab {' '.join(arguments)} failed:\n{ran.stderr[-3000:]}")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
