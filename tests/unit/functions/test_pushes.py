"""Pushes that are on their way, or that failed without a word."""

import pytest

from piswarm.functions.pushes import OpenPush, read_open_push
from piswarm.gateway.delivery import Delivery
from piswarm.gateway.deployer_job import Deployer, job_spec

COMMIT = "c" * 40
SERVICE = {
    "ID": "job",
    "Spec": job_spec(Deployer("image", "1000"), Delivery("hello", COMMIT, "", "", "ada"), []),
}


def task(state, error="", at="1"):
    return {"CreatedAt": at, "Status": {"State": state, "Err": error}}


@pytest.mark.parametrize(
    ("tasks", "state", "reason", "is_over"),
    [
        ([], "new", "", False),
        ([task("pending", "no suitable node")], "pending", "no suitable node", False),
        ([task("running")], "running", "", False),
        ([task("failed", "OOM", "1"), task("running", at="2")], "running", "", False),
        (
            [task("failed", "x", "1"), task("rejected", "No such image", "2")],
            "rejected",
            "No such image",
            True,
        ),
    ],
)
def test_a_push_that_the_history_does_not_tell_of(tasks, state, reason, is_over):
    assert read_open_push(SERVICE, tasks) == OpenPush(COMMIT, "ada", state, reason, is_over)


def test_a_job_that_came_to_its_end_has_told_it_itself():
    assert read_open_push(SERVICE, [task("failed"), task("complete", at="2")]) is None
