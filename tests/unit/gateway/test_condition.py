from datetime import UTC, datetime

import pytest

from piswarm.gateway.condition import Condition, condition
from piswarm.gateway.function import FunctionSpec
from piswarm.gateway.service_spec import needs_tasks, service_spec, tells_about
from piswarm.gateway.tasks import Task

WHEN = datetime(2026, 11, 20, tzinfo=UTC)
FAILED = [Task("rejected", "No such image: i", WHEN)]
RUNNING = [Task("running", "", WHEN)]
GONE_BACK = Condition("ready", "the last update was taken back: No such image: i")
GOING_BACK = Condition("updating", "the last update is being taken back: No such image: i")


@pytest.mark.parametrize(
    ("replicas", "running", "update", "tasks", "expected"),
    [
        (1, 1, "", [], Condition("ready")),
        (0, 0, "", [], Condition("asleep")),
        (1, 0, "", [], Condition("starting")),
        (1, 0, "", FAILED, Condition("failing", "No such image: i")),
        (3, 2, "", RUNNING, Condition("starting")),
        (3, 2, "", RUNNING + FAILED, Condition("failing", "No such image: i")),
        (1, 1, "completed", [], Condition("ready")),
        (1, 2, "updating", RUNNING, Condition("updating")),
        (1, 1, "updating", FAILED, Condition("updating", "No such image: i")),
        (1, 1, "rollback_started", FAILED, GOING_BACK),
        (1, 1, "rollback_completed", FAILED, GONE_BACK),
    ],
)
def test_the_condition_follows_from_figures_update_and_tasks(replicas, running, update, tasks, expected):
    assert condition(replicas, running, {"State": update} if update else {}, tasks) == expected


def service(image="i", running=1, update=""):
    return {
        "Spec": service_spec(FunctionSpec("echo", image), replicas=1, network="n", secrets={}),
        "ServiceStatus": {"RunningTasks": running},
        **({"UpdateStatus": {"State": update}} if update else {}),
    }


def task(image):
    container = service(image)["Spec"]["TaskTemplate"]["ContainerSpec"]
    return {"Spec": {"ContainerSpec": {**container, "Isolation": "default"}}}


def test_tasks_are_looked_at_only_where_something_is_unusual():
    assert not needs_tasks(service())
    assert not needs_tasks(service(update="completed"))
    assert needs_tasks(service(running=0))
    assert needs_tasks(service(update="rollback_completed"))


def test_an_old_failure_does_not_tell_about_what_was_deployed_since():
    assert tells_about(task("i"), service("i"))
    assert not tells_about(task("bad"), service("i"))
    assert tells_about(task("bad"), service("i", update="rollback_completed"))
