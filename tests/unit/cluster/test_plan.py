"""What cases cannot show well; whole plans are in tests/cases/cluster."""

import pytest

from piswarm.cluster.facts import Address, Facts
from piswarm.cluster.plan import (
    JOIN,
    PROVISION,
    SWARM_INIT,
    Observed,
    Wish,
    manager_count,
    node_labels,
    nodes_for_images,
    plan_cluster,
    unique_names,
)

WISH = Wish("home", 0, "recipe", "release")


def observed(count: int) -> list[Observed]:
    return [
        Observed(
            f"10.0.0.{number}",
            Facts(
                f"pi{number}", arch="arm64", addresses=(Address("eth0", f"10.0.0.{number}", 24, dhcp=False),)
            ),
        )
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("hostnames", "names"),
    [
        (["pi1", "pi2"], ["pi1", "pi2"]),
        (["pi", "pi", "pi"], ["pi", "pi-2", "pi-3"]),
        (["pi", "pi-2", "pi"], ["pi", "pi-2", "pi-3"]),
        (["pi", "pi", "pi-2"], ["pi", "pi-3", "pi-2"]),
        (["", ""], ["node", "node-2"]),
    ],
)
def test_names_are_unique_and_nobody_loses_a_name_of_his_own(hostnames, names):
    assert unique_names(hostnames) == names


@pytest.mark.parametrize(
    ("nodes", "asked", "managers"), [(1, 0, 1), (2, 0, 1), (3, 0, 3), (9, 0, 3), (9, 5, 5), (3, 1, 1)]
)
def test_how_many_managers(nodes, asked, managers):
    assert manager_count(nodes, asked) == managers


def test_labels_tell_the_userland_and_not_the_kernel():
    facts = Facts("pi3", model="Raspberry Pi 3", arch="armhf", machine="aarch64", memory_mb=904)
    assert node_labels(facts, holds_registry=False) == {
        "piswarm.arch": "armhf",
        "piswarm.model": "Raspberry Pi 3",
        "piswarm.memory": "904",
    }
    assert node_labels(facts, holds_registry=True)["piswarm.registry"] == "true"


def test_each_step_of_a_node_names_what_will_be_done_there():
    nodes = [
        Observed(
            "10.0.0.1",
            Facts("raspberrypi", memory_cgroup=False),
        ),
        Observed("10.0.0.2", Facts("raspberrypi", docker_version="29.10.0")),
    ]
    plan = plan_cluster(WISH, nodes)
    first, second = plan.steps_of(PROVISION)
    assert first.text == (
        "install Docker, let its kernel account for memory and reboot it, trust the cluster's registry"
    )
    assert second.text == "rename it from 'raspberrypi', trust the cluster's registry"
    assert plan.steps_of(SWARM_INIT)[0].text == "start the Swarm, advertised at 10.0.0.1"
    assert plan.steps_of(JOIN)[0].details == {"role": "worker"}


def test_the_plan_is_the_same_each_time_and_can_be_written_as_json():
    one, other = (plan_cluster(WISH, observed(4)).to_dict() for _ in range(2))
    assert one == other
    assert [node["role"] for node in one["nodes"]] == ["manager", "manager", "manager", "worker"]
    assert one["steps"][-1]["kind"] == "stack"


def test_the_plan_knows_the_nodes_of_a_kind_of_step_and_their_networks():
    plan = plan_cluster(WISH, observed(3))
    assert [node.name for node in plan.nodes_with(JOIN)] == ["pi2", "pi3"]
    assert plan.networks() == ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]


def test_nodes_that_run_the_images_are_told_from_those_that_do_not():
    facts = {"a": Facts("a", arch="arm64"), "b": Facts("b", arch="armhf"), "c": Facts("c", arch="amd64")}
    assert nodes_for_images(facts, "arm64") == ["a"]
    assert nodes_for_images(facts, "armhf") == ["a", "b"]


def test_images_that_no_node_is_made_for_are_emulated_on_all():
    assert nodes_for_images({"a": Facts("a", arch="amd64"), "b": Facts("b", arch="amd64")}, "armhf") == [
        "a",
        "b",
    ]
