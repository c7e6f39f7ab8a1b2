"""Knowing nodes: one script, one round trip for each node, all of them in parallel."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from piswarm.cluster.connect import Connection, quote
from piswarm.cluster.facts import Facts, read_probe
from piswarm.errors import PiswarmError, ProvisionError

PROBE_TIMEOUT_S = 60.0
PARALLEL_NODES = 16

_SCRIPT = (Path(__file__).parent / "probe.sh").read_text()
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class NodeResult(Generic[_Value]):
    """What came of the same work on one of several nodes: a value or an error.

    Attributes:
        node: name of the node.
        value: what the work gave, when it succeeded.
        error: why it failed, when it did.
    """

    node: str
    value: _Value | None = None
    error: PiswarmError | None = None


def probe(connection: Connection) -> Facts:
    """Probe one node over its connection.

    Raises:
        ConnectError: the node cannot be reached.
        ProvisionError: its answer makes no sense.
    """
    password = connection.login.sudo_password
    stdin = (password.reveal() if password else "") + "\n"
    result = connection.run(quote("sh", "-c", _SCRIPT), stdin=stdin, timeout_s=PROBE_TIMEOUT_S)
    try:
        return read_probe(result.stdout, our_time=time.time())
    except ProvisionError as error:
        raise ProvisionError(f"{connection.node}: {error.message}.", error.hint) from error


def on_all(
    connections: Sequence[Connection], work: Callable[[Connection], _Value]
) -> list[NodeResult[_Value]]:
    """Do `work` on all nodes at the same time.

    Returns:
        One result for each node, in the order of `connections`; expected errors are results, too.
    """

    def attempt(connection: Connection) -> NodeResult[_Value]:
        try:
            return NodeResult(connection.node, value=work(connection))
        except PiswarmError as error:
            return NodeResult(connection.node, error=error)

    with ThreadPoolExecutor(max_workers=PARALLEL_NODES) as pool:
        return list(pool.map(attempt, connections))
