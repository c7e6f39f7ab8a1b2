"""The deployer as a job of the Swarm: it runs once, on the node that builds, and ends.

The documents are those of the Docker Engine API: https://docs.docker.com/reference/api/engine/ ; jobs came with
Docker 20.10: https://docs.docker.com/reference/cli/docker/service/create/#running-as-a-job
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from piswarm.gateway.delivery import VARIABLE, Delivery

FUNCTION_LABEL = "piswarm.deploys"
"""Names, on a job's service, the function that it deploys."""

_STATE_DIR = "/var/lib/piswarm"
_ENGINE_SOCKET = "/var/run/docker.sock"
_TRUSTED = ("/etc/ssl/certs", "/etc/docker/certs.d")
_BUILDS_HERE = "node.labels.piswarm.registry == true"
_SECRETS = ("basic-auth-user", "basic-auth-password")
_MEMORY_BYTES = 256 * 2**20
"""For git and the clients of the build; the build itself runs in the engine."""
_SECOND = 10**9
_ENDED = frozenset({"complete", "failed", "rejected", "shutdown", "remove", "orphaned"})


@dataclass(frozen=True)
class Deployer:
    """What the deployer is run from.

    Attributes:
        image: its image, by digest.
        user: id of its user, who owns piswarm's state on the node that builds.
    """

    image: str
    user: str


def job_name(delivery: Delivery) -> str:
    """Return the name of the service that deploys a commit of a function: the same for the same commit."""
    function = hashlib.sha256(delivery.function.encode()).hexdigest()[:16]
    return f"piswarm-deploy-{function}-{delivery.commit[:12]}"


def job_spec(deployer: Deployer, delivery: Delivery, mounted: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the Swarm service that deploys what was pushed.

    Args:
        deployer: what it is run from.
        delivery: what was pushed.
        mounted: the secrets that the gateway's own service mounts; the deployer gets the API's user and password.
    """
    return {
        "Name": job_name(delivery),
        "Labels": {FUNCTION_LABEL: delivery.function},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": deployer.image,
                "Env": [f"{VARIABLE}={delivery.to_text()}"],
                "Mounts": [
                    _bind(_ENGINE_SOCKET),
                    _bind(_STATE_DIR),
                    *(_bind(folder, read_only=True) for folder in _TRUSTED),
                ],
                "Secrets": [
                    {**secret, "File": {**secret["File"], "UID": deployer.user}}
                    for secret in mounted
                    if secret["File"]["Name"] in _SECRETS
                ],
            },
            "Resources": {"Limits": {"MemoryBytes": _MEMORY_BYTES}},
            # What it can tell of itself, it puts into the history. Once more is for when it could not even do that.
            "RestartPolicy": {"Condition": "on-failure", "Delay": 5 * _SECOND, "MaxAttempts": 1},
            "Placement": {"Constraints": [_BUILDS_HERE]},
            "Networks": [{"Target": "host"}],  # to see git servers as the node itself does
        },
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}},
    }


def has_ended(tasks: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a job with these tasks does no more: there were some, and none of them goes on."""
    return bool(tasks) and all(task["Status"]["State"] in _ENDED for task in tasks)


def _bind(path: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"Type": "bind", "Source": path, "Target": path, "ReadOnly": read_only}
