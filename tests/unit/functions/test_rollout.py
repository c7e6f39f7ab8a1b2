"""What the Swarm's view of a service says about a version."""

import pytest

from piswarm.functions.rollout import judge

NEW, OLD = "new", "old"


def template(fingerprint, image="image"):
    labels = {"com.openfaas.annotations.piswarm.fingerprint": fingerprint}
    return {"ContainerSpec": {"Image": image, "Labels": labels}}


def service(fingerprint=NEW, replicas=1, state=""):
    status = {"UpdateStatus": {"State": state}} if state else {}
    mode = {"Replicated": {"Replicas": replicas}}
    return {"Spec": {"Mode": mode, "TaskTemplate": template(fingerprint)}, **status}


def task(state, fingerprint=NEW, *, desired="running", error="", name="t1", at="1"):
    return {
        "ID": name,
        "UpdatedAt": at,
        "DesiredState": desired,
        "Spec": template(fingerprint),
        "Status": {"State": state, "Err": error},
    }


def failed(name, at, error="task: non-zero exit (1)"):
    return task("failed", desired="shutdown", error=error, name=name, at=at)


@pytest.mark.parametrize(
    ("found", "tasks"),
    [
        (service(), [task("running")]),
        (service(replicas=2), [task("running"), task("running"), task("shutdown", OLD, desired="shutdown")]),
        (service(replicas=0), []),
        (service(), [failed("t0", "0"), task("running")]),
        (service(state="updating"), [task("running"), task("running", OLD, desired="shutdown")]),
    ],
)
def test_a_version_that_has_taken_over_is_live(found, tasks):
    assert judge(found, tasks, NEW, "image").is_live


@pytest.mark.parametrize(
    ("found", "tasks", "text"),
    [
        (service(), [], "0 of 1 replicas run"),
        (service(), [task("preparing")], "0 of 1 replicas run; 1 get ready or fetch the image"),
        (service(replicas=2), [task("running"), task("starting")], "1 of 2 replicas run"),
        (service(), [task("running"), task("running", OLD)], "1 of 1 replicas run"),
        (service(), [failed("t0", "0")], "0 of 1 replicas run; task: non-zero exit (1)"),
        (service(), [task("pending", error="no suitable node")], "0 of 1 replicas run; no suitable node"),
    ],
)
def test_a_version_on_its_way_is_waited_for(found, tasks, text):
    rollout = judge(found, tasks, NEW, "image")
    assert (rollout.is_live, rollout.fault, rollout.text) == (False, "", text)


@pytest.mark.parametrize(
    ("found", "tasks", "fault"),
    [
        (service(state="rollback_started"), [failed("t1", "1")], "task: non-zero exit (1)"),
        (
            service(OLD, state="rollback_completed"),
            [failed("t1", "1"), task("running", OLD)],
            "task: non-zero exit (1)",
        ),
        (service(OLD), [task("running", OLD)], "the Swarm went back to the version before"),
        (
            service(),
            [failed("t1", "1"), failed("t2", "2"), failed("t3", "3", "No such image: x.")],
            "No such image: x",
        ),
    ],
)
def test_a_version_that_does_not_work_is_given_up(found, tasks, fault):
    rollout = judge(found, tasks, NEW, "image")
    assert (rollout.is_live, rollout.fault) == (False, fault)


def test_the_log_wanted_is_that_of_the_last_broken_task():
    assert (
        judge(service(), [failed("t2", "2"), failed("t1", "1"), failed("t3", "3")], NEW, "image").broken_task
        == "t3"
    )


def test_fetching_the_image_is_told_apart_from_not_working():
    assert judge(service(), [task("preparing")], NEW, "image").is_fetching
    assert not judge(service(), [task("starting"), task("preparing", OLD)], NEW, "image").is_fetching
    assert not judge(service(), [task("preparing", desired="shutdown")], NEW, "image").is_fetching


def test_a_version_that_is_built_anew_is_another_image():
    old = {**task("running"), "Spec": template(NEW, "image before")}
    assert not judge(service(), [old], NEW, "image").is_live
    assert judge(service(), [task("running")], NEW, "image").is_live
