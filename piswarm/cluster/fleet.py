"""The nodes of one run, with what has failed on which of them so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, cast

from piswarm.cluster.connect import Connection
from piswarm.cluster.probe import on_all
from piswarm.console import Console
from piswarm.errors import PiswarmError

_Value = TypeVar("_Value")


class Fleet:
    """Connections by the names that the nodes are to have; a node that failed is left alone afterwards.

    Args:
        connections: the connections, by name of the node.
        first: the node without which nothing goes on.
        console: where a failure is shown when it happens.
    """

    def __init__(self, connections: Mapping[str, Connection], first: str, console: Console) -> None:
        self._connections = dict(connections)
        self._first = first
        self._console = console
        self.failures: dict[str, str] = {}

    def __getitem__(self, node: str) -> Connection:
        return self._connections[node]

    @property
    def healthy(self) -> list[str]:
        """Return the names of the nodes on which nothing has failed."""
        return [node for node in self._connections if node not in self.failures]

    def on(self, nodes: Iterable[str], work: Callable[[Connection], _Value]) -> dict[str, _Value]:
        """Do `work` on those of `nodes` that are healthy, at the same time.

        Returns:
            What it gave, by node, for those that succeeded.

        Raises:
            PiswarmError: it failed on the first node.
        """
        names = [node for node in nodes if node not in self.failures]
        values: dict[str, _Value] = {}
        for node, result in zip(names, on_all([self[node] for node in names], work), strict=True):
            if result.error:
                self.fail(node, result.error)
            else:
                values[node] = cast("_Value", result.value)
        return values

    def fail(self, node: str, error: PiswarmError) -> None:
        """Note that `node` failed.

        Raises:
            PiswarmError: it is the first node; the error itself.
        """
        if node == self._first:
            raise error
        self.failures[node] = error.message
        self._console.fault(error.message, node)
