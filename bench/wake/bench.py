"""How long the first call of a function takes: right after its deploy, and when it was scaled to zero.

The deploy is the API's alone, of an image that the node has: from sending the request to the first answer with
status 200. From zero, it is the time of one call. Each round has a function of its own, by a name never used before.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import requests
from shared import deploy_echo, piswarm, report_seconds

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
    deploy_echo(FUNCTION)  # so that its image is on the node
    try:
        image = str(gateway.existing(FUNCTION)["image"])
        process = "" if options.handler else PROGRAM
        for number in range(options.rounds):
            deployed, woken = measure(gateway, f"{FUNCTION}-{os.getpid()}-{number}", image, process)
            taken["deploy to first answer"].append(deployed)
            taken["from zero"].append(woken)
    finally:
        piswarm("remove", FUNCTION, "--yes")
    report_seconds(taken, as_json=options.json)


def measure(gateway: GatewayClient, name: str, image: str, process: str) -> tuple[float, float]:
    """Return the seconds from deploy to answer, and from a call of the sleeping function to its answer."""
    url = f"{gateway.url}/function/{name}"
    began = time.monotonic()
    gateway.put({"service": name, "image": image, "envProcess": process})
    try:
        until_answered(url)
        deployed = time.monotonic() - began
        gateway.scale(name, 0)
        until_asleep(gateway, name)
        time.sleep(LINGER_S)
        began = time.monotonic()
        until_answered(url)
        return deployed, time.monotonic() - began
    finally:
        gateway.remove(name)


def until_asleep(gateway: GatewayClient, name: str) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while running := gateway.existing(name)["availableReplicas"]:
        if time.monotonic() > deadline:
            sys.exit(
                f"{name} still has {running} replicas {ANSWER_WITHIN_S:.0f} s after it was scaled to zero."
            )
        time.sleep(0.1)


def until_answered(url: str) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while (answer := requests.post(url, data=b"x", timeout=ANSWER_WITHIN_S)).status_code != 200:
        if time.monotonic() > deadline:
            sys.exit(
                f"{url} did not answer within {ANSWER_WITHIN_S:.0f} s: {answer.status_code} {answer.text}"
            )
        time.sleep(0.01)


if __name__ == "__main__":
    main()
