"""A node of the Swarm as the gateway tells about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ARCH_LABEL = "piswarm.arch"
MODEL_LABEL = "piswarm.model"
ARCHITECTURES = ("armhf", "arm64", "amd64")
# What the kernel says. A 32-bit system on a 64-bit kernel says aarch64 too: there the label tells the truth.
_OF_KERNEL = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "armv6l": "armhf"}


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        id: the Swarm's id of it.
        name: its host name.
        role: `manager` or `worker`.
        leader: whether it leads the managers.
        state: `ready`, `down`, `disconnected` or `unknown`.
        availability: `active`, `pause` or `drain`.
        arch: `armhf`, `arm64` or `amd64`, or what its kernel says.
        model: what board it is; empty when unknown.
        memory_bytes: its memory.
        nano_cpus: its CPUs in billionths.
        replicas: how many replicas of functions it is to run.
    """

    id: str
    name: str
    role: str
    leader: bool
    state: str
    availability: str
    arch: str
    model: str
    memory_bytes: int
    nano_cpus: int
    replicas: int = 0

    @property
    def takes_replicas(self) -> bool:
        """Return whether Swarm may start replicas on it."""
        return self.state == "ready" and self.availability == "active"

    def to_json(self) -> dict[str, Any]:
        """Return the node for the page."""
        return {
            "name": self.name,
            "role": self.role,
            "leader": self.leader,
            "state": self.state,
            "availability": self.availability,
            "arch": self.arch,
            "model": self.model,
            "memoryBytes": self.memory_bytes,
            "cpus": self.nano_cpus / 10**9,
            "replicas": self.replicas,
        }


def read_node(document: Mapping[str, Any], replicas: int = 0) -> Node:
    """Return the node that the engine describes in `document`; `replicas` of functions are placed on it."""
    spec, description = document["Spec"], document["Description"]
    labels = spec.get("Labels") or {}
    kernel = description["Platform"]["Architecture"]
    return Node(
        id=document["ID"],
        name=description["Hostname"],
        role=spec["Role"],
        leader=bool(document.get("ManagerStatus", {}).get("Leader")),
        state=document["Status"]["State"],
        availability=spec["Availability"],
        arch=labels.get(ARCH_LABEL) or _OF_KERNEL.get(kernel, kernel),
        model=labels.get(MODEL_LABEL, ""),
        memory_bytes=description["Resources"]["MemoryBytes"],
        nano_cpus=description["Resources"]["NanoCPUs"],
        replicas=replicas,
    )
