"""What the gateway needs of a Swarm: one small interface for each noun, and below it that on Docker's engine.

The interfaces' blocking methods are run in worker threads; only logs, which may flow for hours, are asynchronous.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from piswarm.gateway.delivery import Delivery
from piswarm.gateway.function import Function, FunctionSpec
from piswarm.gateway.logs import LogLine, LogQuery
from piswarm.gateway.node import Node
from piswarm.gateway.tasks import Replicas


class Functions(Protocol):
    """The functions, kept as services in the Swarm's own store."""

    def all(self) -> list[Function]:
        """Return every function, by name."""

    def one(self, name: str) -> Function:
        """Return one function; NotFound when there is none of exactly this name."""

    def replicas(self, name: str) -> Replicas:
        """Return what there is of a function's replicas; NotFound when there is no such function."""

    def create(self, spec: FunctionSpec) -> None:
        """Deploy a new function; BadRequest when there is one of this name or a secret is missing."""

    def update(self, spec: FunctionSpec) -> None:
        """Deploy a function anew, replica by replica; NotFound when there is none of this name."""

    def scale(self, name: str, replicas: int) -> None:
        """Set how many replicas of a function there are to be."""

    def remove(self, name: str) -> None:
        """Remove a function."""

    def changes(self) -> Iterator[None]:
        """Yield at every change of a service, for ever; the first time at once."""


class Secrets(Protocol):
    """The secrets that functions may use; their values are never read back."""

    def names(self) -> list[str]:
        """Return the names, sorted."""

    def create(self, name: str, value: bytes) -> None:
        """Keep a new secret; Conflict when there is one of this name."""

    def update(self, name: str, value: bytes) -> None:
        """Replace a secret's value, also in the functions that use it; NotFound when there is none."""

    def remove(self, name: str) -> None:
        """Forget a secret; Conflict while a function uses it."""


class Nodes(Protocol):
    """The nodes of the cluster."""

    def all(self) -> list[Node]:
        """Return every node, by name."""


class Logs(Protocol):
    """What functions wrote, on whatever node they ran."""

    def read(self, query: LogQuery) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        """Open the lines that `query` asks for; NotFound when there is no such function."""


class Deployer(Protocol):
    """What builds and deploys a function when its repository was pushed."""

    def start(self, delivery: Delivery) -> bool:
        """Begin; False when the very same is under way already. Unavailable when the cluster has no deployer."""


@dataclass(frozen=True)
class Swarm:
    """A cluster, by its nouns.

    Attributes:
        functions: the functions.
        secrets: the functions' secrets.
        logs: what the functions wrote.
        nodes: the nodes.
        deployer: what deploys functions whose repository was pushed.
    """

    functions: Functions
    secrets: Secrets
    logs: Logs
    nodes: Nodes
    deployer: Deployer
