"""Attempts to run a replica, and what they tell about why a function does not run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_TROUBLE = frozenset({"failed", "rejected", "pending", "orphaned"})


@dataclass(frozen=True)
class Task:
    """One attempt to run a replica on a node.

    Attributes:
        state: its state in Swarm's words: `pending`, `preparing`, `running`, `failed`, ...
        error: what went wrong, in the engine's words; empty when nothing did.
        changed_at: when the state began.
        service_id: the engine's id of the service.
        node_id: the engine's id of the node; empty while none is chosen.
    """

    state: str
    error: str
    changed_at: datetime
    service_id: str = ""
    node_id: str = ""


def read_task(document: Mapping[str, Any]) -> Task:
    """Return the task that the engine describes in `document`."""
    status = document["Status"]
    return Task(
        state=status["State"],
        error=status.get("Err", ""),
        changed_at=datetime.fromisoformat(status["Timestamp"]),
        service_id=document.get("ServiceID", ""),
        node_id=document.get("NodeID", ""),
    )


@dataclass(frozen=True)
class Replicas:
    """What there is of a function's replicas.

    Attributes:
        wanted: replicas that Swarm is to keep.
        running: addresses of those that run, healthy where the image has a health check.
        trouble: why none runs, in the engine's words; empty when nothing has gone wrong so far.
    """

    wanted: int
    running: tuple[str, ...]
    trouble: str


def running_addresses(documents: Iterable[Mapping[str, Any]], network: str) -> tuple[str, ...]:
    """Return the addresses of the tasks that run and are to go on.

    Args:
        documents: tasks, as the engine describes them.
        network: name of the network whose addresses these are.
    """
    return tuple(
        address.partition("/")[0]
        for document in documents
        if document["Status"]["State"] == document["DesiredState"] == "running"
        for attachment in document.get("NetworksAttachments") or []
        if attachment["Network"]["Spec"]["Name"] == network
        for address in attachment["Addresses"]
    )


def trouble(tasks: Sequence[Task]) -> str:
    """Return why no replica runs, or an empty string when nothing has gone wrong so far.

    Args:
        tasks: the function's tasks, the newest first.
    """
    if any(task.state == "running" for task in tasks):
        return ""
    return next((task.error for task in tasks if task.state in _TROUBLE and task.error), "")
