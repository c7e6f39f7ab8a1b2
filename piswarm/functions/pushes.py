"""Pushes that a git server told of and that the history does not tell of: those that wait, run, or could not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from piswarm.gateway.delivery import VARIABLE, Delivery
from piswarm.gateway.deployer_job import FUNCTION_LABEL, has_ended

if TYPE_CHECKING:
    from piswarm.cluster.engine import Engine


@dataclass(frozen=True)
class OpenPush:
    """A push that has not become an entry of the history.

    Attributes:
        commit: full name of the commit.
        pusher: who pushed it; empty when unknown.
        state: the state of its job, in the engine's word.
        reason: why the job waits or failed; empty where the engine gives none.
        is_over: whether nothing more will come of it.
    """

    commit: str
    pusher: str
    state: str
    reason: str
    is_over: bool


def open_pushes(engine: Engine, function: str) -> list[OpenPush]:
    """Return the pushes of a function that wait, run, or failed without a word in the history."""
    services = engine.services(filters={"label": f"{FUNCTION_LABEL}={function}"})
    pushes = (read_open_push(one, engine.tasks({"service": one["ID"]})) for one in services)
    return [push for push in pushes if push is not None]


def read_open_push(service: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> OpenPush | None:
    """Return the push that a job is about; None when the job has come to its end and told it itself.

    Args:
        service: the job as the engine describes it.
        tasks: its tasks.
    """
    environment = dict(
        entry.partition("=")[::2] for entry in service["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    )
    delivery = Delivery.from_text(environment[VARIABLE])
    if any(task["Status"]["State"] == "complete" for task in tasks):
        return None
    newest = max(tasks, key=lambda task: str(task["CreatedAt"]), default=None)
    status = newest["Status"] if newest else {"State": "new"}
    return OpenPush(
        commit=delivery.commit,
        pusher=delivery.pusher,
        state=str(status["State"]),
        reason=str(status.get("Err") or ""),
        is_over=has_ended(tasks),
    )
