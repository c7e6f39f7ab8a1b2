"""What can be done to one node of a lab: cut its power, give it back, log in."""

from __future__ import annotations

from piswarm.lab import engine
from piswarm.lab.facts import known_hosts_file
from piswarm.lab.names import Lab
from piswarm.lab.readiness import wait_until_booted
from piswarm.lab.recipe import LOGIN_USER
from piswarm.lab.status import address_of, find_node
from piswarm.settings import Settings


def kill_node(lab: Lab, name: str) -> None:
    """Cut the node's power; a node that is off stays off.

    Raises:
        LabError: there is no such node, or the engine refuses.
    """
    container = find_node(engine.connect(), lab, name)
    if container.status == "running":
        with engine.telling(f"Node {name} could not be killed"):
            container.kill()


def start_node(lab: Lab, name: str) -> None:
    """Give the node its power back and wait until it has booted; a running node is left alone.

    Raises:
        LabError: there is no such node, or it did not boot in time.
    """
    container = find_node(engine.connect(), lab, name)
    with engine.telling(f"Node {name} could not be started"):
        container.start()
    wait_until_booted(container, name, address_of(container))


def ssh_command(lab: Lab, settings: Settings, name: str, command: list[str]) -> list[str]:
    """Return the command line that logs in to the node, with the cluster's key once there is one.

    Raises:
        LabError: there is no such node.
    """
    container = find_node(engine.connect(), lab, name)
    cluster_key = settings.cluster_dir(lab.name) / "id_ed25519"
    known_hosts = known_hosts_file(lab, settings)
    known_hosts.parent.mkdir(parents=True, exist_ok=True)
    return [
        "ssh",
        *("-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known_hosts}"),
        *(("-i", str(cluster_key)) if cluster_key.is_file() else ()),
        f"{LOGIN_USER}@{address_of(container)}",
        *command,
    ]
