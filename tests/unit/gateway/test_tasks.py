from datetime import UTC, datetime

import pytest

from piswarm.gateway.tasks import Task, read_task, trouble

WHEN = datetime(2026, 11, 20, tzinfo=UTC)


def test_a_task_is_read_from_the_engines_document():
    document = {
        "Status": {"State": "rejected", "Err": "No such image: x", "Timestamp": "2026-11-20T00:00:00Z"}
    }
    assert read_task(document) == Task("rejected", "No such image: x", WHEN)


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ([], ""),
        ([("preparing", "")], ""),
        ([("ready", ""), ("rejected", "No such image: x")], "No such image: x"),
        ([("pending", "no suitable node")], "no suitable node"),
        ([("running", ""), ("failed", "exit 1")], ""),
        ([("failed", "newest"), ("failed", "older")], "newest"),
    ],
)
def test_the_newest_failure_is_the_reason_unless_a_replica_runs(states, reason):
    assert trouble([Task(state, error, WHEN) for state, error in states]) == reason
