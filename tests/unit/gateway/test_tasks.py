from datetime import UTC, datetime

import pytest

from piswarm.gateway.tasks import Task, read_task, running_addresses, trouble

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


def attached(*attachments, state="running", desired="running"):
    return {
        "Status": {"State": state},
        "DesiredState": desired,
        "NetworksAttachments": [
            {"Network": {"Spec": {"Name": network}}, "Addresses": addresses}
            for network, addresses in attachments
        ],
    }


FUNCTIONS = ("functions", ["10.0.1.7/24"])


@pytest.mark.parametrize(
    ("documents", "addresses"),
    [
        ([], ()),
        ([attached(FUNCTIONS)], ("10.0.1.7",)),
        ([attached(("other", ["10.0.9.1/24"]), FUNCTIONS)], ("10.0.1.7",)),
        ([attached(FUNCTIONS), attached(("functions", ["10.0.1.8/24"]))], ("10.0.1.7", "10.0.1.8")),
        ([attached(FUNCTIONS, state="starting")], ()),
        ([attached(FUNCTIONS, desired="shutdown")], ()),
        ([{"Status": {"State": "running"}, "DesiredState": "running"}], ()),
    ],
)
def test_the_addresses_of_what_runs_and_is_to_go_on_are_told(documents, addresses):
    assert running_addresses(documents, "functions") == addresses
