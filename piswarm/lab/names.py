"""What a lab is called on this machine: its name, its label, its bridge, its nodes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from piswarm.errors import UsageError

LABEL = "piswarm.lab"
DEFAULT_LAB = "lab"
MOST_NODES = 40

# IEEE assigns 2C-CF-67 to Raspberry Pi (Trading) Ltd; today's boards carry it.
_RASPBERRY_PI_OUI = "2c:cf:67"
_LAB_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?")


@dataclass(frozen=True)
class Lab:
    """One lab of simulated Pis; several can live side by side under different names.

    Args:
        name: lower-case letters, digits and inner hyphens, seven at most: with the prefix it names a
            network interface, for which Linux allows 15 characters.

    Raises:
        UsageError: the name does not fit.
    """

    name: str = DEFAULT_LAB

    def __post_init__(self) -> None:
        if not _LAB_NAME.fullmatch(self.name):
            raise UsageError(
                f"'{self.name}' cannot be the name of a lab.",
                "Use up to 7 lower-case letters, digits and inner hyphens: for example 'lab2'.",
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Lab:
        """Return the lab that `PISWARM_LAB` names, or the default one."""
        env = os.environ if environment is None else environment
        return cls(env.get("PISWARM_LAB") or DEFAULT_LAB)

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of everything that belongs to this lab."""
        return {LABEL: self.name}

    @property
    def filters(self) -> list[str]:
        """Return the labels as the engine's lists want them: what belongs to this lab and to no other."""
        return [f"{key}={value}" for key, value in self.labels.items()]

    @property
    def interface(self) -> str:
        """Return the name of the lab's bridge, as the machine sees it and as Docker's network is called."""
        return f"piswarm-{self.name}"

    def container_name(self, node: str) -> str:
        """Return the name of the container that is the node `node`."""
        return f"{self.interface}-{node}"

    def mac_address(self, node: str) -> str:
        """Return the node's MAC address: Raspberry Pi's prefix, then what the two names give."""
        tail = hashlib.sha256(f"{self.name}/{node}".encode()).digest()[:3]
        return ":".join([_RASPBERRY_PI_OUI, *(f"{byte:02x}" for byte in tail)])


def node_names(count: int) -> list[str]:
    """Return the names of the first `count` nodes: pi1, pi2 and so on.

    Raises:
        UsageError: the count is not between 1 and `MOST_NODES`.
    """
    if not 1 <= count <= MOST_NODES:
        raise UsageError(
            f"A lab has 1 to {MOST_NODES} nodes, not {count}.", "For example: piswarm lab up --nodes 3"
        )
    return [f"pi{number}" for number in range(1, count + 1)]
