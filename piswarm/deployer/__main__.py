"""`python3 -m piswarm.deployer`: deploys the push that its environment tells of, and ends."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import docker

from piswarm.cluster.inventory import Cluster, NodeRecord
from piswarm.console import Console
from piswarm.deployer.deploy import deploy_delivery, record_failure
from piswarm.deployer.local import LocalSite, local_engine
from piswarm.functions.gateway import GatewayClient
from piswarm.gateway.delivery import VARIABLE, Delivery
from piswarm.secret import Secret

_SECRETS = Path("/run/secrets")


def main() -> int:
    """Deploy, and return the exit code: 0 when the history tells how it ended, be it well or not."""
    delivery = Delivery.from_text(os.environ[VARIABLE])
    with local_engine("this node") as engine:
        cluster = read_cluster(engine, image_arch())
    user, password = (
        (_SECRETS / name).read_text().strip() for name in ("basic-auth-user", "basic-auth-password")
    )
    gateway = GatewayClient(cluster.gateway_url, user, Secret(password))
    site = LocalSite(
        cluster, Console(), gateway, who=f"hook ({delivery.pusher})" if delivery.pusher else "hook"
    )
    try:
        deployed = deploy_delivery(site, delivery)
    except Exception as error:  # noqa: BLE001  (the border of the program: a bug is told as a bug)
        traceback.print_exc()
        record_failure(site, delivery, f"a bug in piswarm: {type(error).__name__}: {error}")
        return 0
    if deployed is not None:
        verb = "is live" if deployed.is_changed else "was live already"
        site.console.done(f"{deployed.function}: commit {deployed.commit} {verb}")
    return 0


def image_arch() -> str:
    """Return the architecture that the cluster's images are built for: that of this one."""
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def read_cluster(engine: docker.APIClient, arch: str) -> Cluster:
    """Return the cluster as its Swarm knows it, with the node of this engine as the one that builds.

    Args:
        engine: the engine of this node.
        arch: architecture of the images that are built, in Debian's words.
    """
    here = engine.info()["Swarm"]["NodeID"]
    nodes = sorted(engine.nodes(), key=lambda node: bool(node["ID"] != here))
    records = tuple(
        NodeRecord(
            name=node["Description"]["Hostname"],
            address=node["Status"]["Addr"],
            role=node["Spec"]["Role"],
            arch=(node["Spec"].get("Labels") or {}).get("piswarm.arch", ""),
        )
        for node in nodes
    )
    return Cluster(name="", directory=Path(), user="", nodes=records, image_arch=arch)


if __name__ == "__main__":
    sys.exit(main())
