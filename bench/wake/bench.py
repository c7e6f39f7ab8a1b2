"""How long the first call of a function takes: right after its deploy, and when it was scaled to zero.

The deploy is the API's alone, of an image that the node has: from sending the request to the first answer with
status 200. From zero, it is the time of one call. Each round has a function of its own, by a name never used before.
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
from pathlib import Path

import requests

from piswarm.cluster.inventory import load_cluster
from piswarm.functions.gateway import GatewayClient
from piswarm.settings import Settings

FUNCTION = "bench-wake"
PROGRAM = "cat"
ANSWER_WITHIN_S = 60.0
LINGER_S = 6.0
"""Longer than a replica that was told to end goes on serving."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument(
        "--handler", action="store_true", help=f"a handler.py in place of the program '{PROGRAM}'"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cluster = load_cluster(Settings.from_environment())
    gateway = GatewayClient(cluster.gateway_url, *cluster.gateway_credentials)
    taken: dict[str, list[float]] = {"deploy to first answer": [], "from zero": []}
    deploy()
    try:
        image = str(gateway.existing(FUNCTION)["image"])
        process = "" if options.handler else PROGRAM
        for number in range(options.rounds):
            deployed, woken = measure(gateway, f"{FUNCTION}-{os.getpid()}-{number}", image, process)
            taken["deploy to first answer"].append(deployed)
            taken["from zero"].append(woken)
    finally:
        piswarm("remove", FUNCTION, "--yes")
    report(taken, as_json=options.json)


def measure(gateway: GatewayClient, name: str, image: str, process: str) -> tuple[float, float]:
    """Return the seconds from deploy to answer, and from a call of the sleeping function to its answer."""
    url = f"{gateway.url}/function/{name}"
    began = time.monotonic()
    gateway.put({"service": name, "image": image, "envProcess": process})
    try:
        until_answered(url)
        deployed = time.monotonic() - began
        gateway.scale(name, 0)
        while gateway.existing(name)["availableReplicas"]:
            time.sleep(0.1)
        time.sleep(LINGER_S)
        began = time.monotonic()
        until_answered(url)
        return deployed, time.monotonic() - began
    finally:
        gateway.remove(name)


def until_answered(url: str) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while (answer := requests.post(url, data=b"x", timeout=ANSWER_WITHIN_S)).status_code != 200:
        if time.monotonic() > deadline:
            sys.exit(
                f"{url} did not answer within {ANSWER_WITHIN_S:.0f} s: {answer.status_code} {answer.text}"
            )
        time.sleep(0.01)


def deploy() -> None:
    """Deploy a function once, so that its image is on the node."""
    with tempfile.TemporaryDirectory() as folder:
        piswarm("new", FUNCTION, cwd=folder)
        Path(folder, FUNCTION, "handler.py").write_text("def handle(req):\n    return req\n")
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        for words in (("add", "--all"), (*identity, "commit", "--quiet", "--message", "bench")):
            subprocess.run(["git", *words], cwd=folder, check=True, timeout=60)
        piswarm("deploy", FUNCTION, cwd=folder)


def piswarm(*arguments: str, cwd: str | None = None) -> None:
    command = [sys.executable, "-m", "piswarm", *arguments]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    if ran.returncode != 0:
        sys.exit(f"piswarm {' '.join(arguments)} failed:\n{ran.stderr[-3000:]}")


def report(taken: dict[str, list[float]], *, as_json: bool) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    if as_json:
        print(json.dumps({"machine": machine, "seconds": taken}, indent=2))
        return
    print(f"machine: {machine}")
    for what, times in taken.items():
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"{what:<24} median {statistics.median(times):5.2f} s   ({spread}, {len(times)} times)")


if __name__ == "__main__":
    main()
