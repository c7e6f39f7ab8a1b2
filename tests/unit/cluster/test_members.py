"""Which node may leave."""

from __future__ import annotations

import pytest

from piswarm.cluster.inventory import NodeRecord
from piswarm.cluster.members import refuse_removal
from piswarm.cluster.plan import SwarmMember, SwarmView
from piswarm.errors import SwarmError


def members(*states: str, registry_on: int = -1) -> list[SwarmMember]:
    return [
        SwarmMember(
            f"id{number}",
            "manager",
            state,
            "active",
            {"piswarm.registry": "true"} if number == registry_on else {},
            hostname=f"pi{number}",
        )
        for number, state in enumerate(states)
    ]


def remove(all_members: list[SwarmMember], leaving: SwarmMember | None) -> None:
    record = NodeRecord(leaving.hostname if leaving else "pi9", "192.168.1.9", "manager")
    refuse_removal(SwarmView("swarm", {one.node_id: one for one in all_members}), record, leaving)


def test_one_of_three_managers_may_leave():
    managers = members("ready", "ready", "ready")
    remove(managers, managers[2])


def test_a_worker_may_always_leave():
    worker = SwarmMember("w", "worker", "ready", "active", {}, hostname="pi7")
    remove([*members("ready"), worker], worker)


def test_a_node_that_the_swarm_does_not_know_may_leave():
    remove(members("ready"), None)


def test_a_manager_that_is_down_may_leave():
    managers = members("ready", "ready", "down")
    remove(managers, managers[2])


@pytest.mark.parametrize(
    ("managers", "leaving", "told"),
    [
        (members("ready"), 0, "no quorum"),
        (members("ready", "down", "down"), 0, "no quorum"),
        (members("ready", "ready", "down"), 1, "only 1 of 2"),
        (members("ready", "ready", "ready", registry_on=1), 1, "registry"),
    ],
)
def test_a_manager_that_is_needed_may_not_leave(managers: list[SwarmMember], leaving: int, told: str):
    with pytest.raises(SwarmError, match=told):
        remove(managers, managers[leaving])
