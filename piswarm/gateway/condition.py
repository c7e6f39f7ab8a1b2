"""How a function is: one word, and the reason when it is not well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from piswarm.gateway.tasks import Task, trouble

READY = "ready"
ASLEEP = "asleep"
STARTING = "starting"
UPDATING = "updating"
FAILING = "failing"


@dataclass(frozen=True)
class Condition:
    """How a function is.

    Attributes:
        state: `ready`, `asleep`, `starting`, `updating` or `failing`.
        reason: why, where there is something to say.
    """

    state: str
    reason: str = ""


WELL = Condition(READY)


def condition(replicas: int, running: int, update: Mapping[str, Any], tasks: Sequence[Task]) -> Condition:
    """Return how a function is.

    Args:
        replicas: replicas that Swarm is to keep.
        running: replicas that run.
        update: the service's `UpdateStatus`, empty when it never was updated.
        tasks: those of its tasks that tell about what it is now, the newest first.
    """
    state = update.get("State", "")
    failure = _newest_failure(tasks)
    if state == "updating":
        return Condition(UPDATING, failure)
    if state == "rollback_started":
        return Condition(
            UPDATING, f"the last update is being taken back: {failure or update.get('Message', '')}"
        )
    if replicas == 0:
        return Condition(ASLEEP)
    if running >= replicas:
        back = (
            f"the last update was taken back: {failure}" if state == "rollback_completed" and failure else ""
        )
        return Condition(READY, back)
    reason = trouble(tasks) if running == 0 else failure
    return Condition(FAILING if reason else STARTING, reason)


def _newest_failure(tasks: Sequence[Task]) -> str:
    return next((task.error for task in tasks if task.error), "")
