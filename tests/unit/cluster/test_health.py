"""What a living cluster's state says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from piswarm.cluster import health
from piswarm.cluster.facts import Facts
from piswarm.cluster.mesh import Gap
from piswarm.cluster.plan import SwarmMember, SwarmView

DAY_S = 24 * 3600
NOW_S = 1_800_000_000.0


def member(name: str, role: str = "manager", state: str = "ready") -> SwarmMember:
    return SwarmMember(name, role, state, "active", {}, hostname=name)


def view(*members: SwarmMember) -> SwarmView:
    return SwarmView("swarm", {one.node_id: one for one in members})


@pytest.mark.parametrize(("managers", "may_fail"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (7, 3)])
def test_quorum_is_as_dockers_table_says(managers: int, may_fail: int):
    assert health.quorum_after_loss(managers) == may_fail


@pytest.mark.parametrize(
    ("states", "level"),
    [
        (["ready"], "ok"),
        (["ready"] * 3, "ok"),
        (["ready", "ready", "down"], "warning"),
        (["ready", "ready"], "warning"),
        (["ready", "down"], "fault"),
        (["ready", "down", "down"], "fault"),
    ],
)
def test_the_quorum_is_told(states: list[str], level: str):
    members = [member(f"pi{number}", state=state) for number, state in enumerate(states)]
    (quorum,) = [one for one in health.check_members(view(*members)) if one.check == "quorum"]
    assert quorum.level == level


def test_a_manager_that_the_others_do_not_reach_has_no_vote():
    managers = [member("pi1"), member("pi2"), replace(member("pi3"), reachable=False)]
    findings = health.check_members(view(*managers))
    assert [(one.level, one.node, one.check) for one in findings] == [
        ("fault", "pi3", "member"),
        ("warning", "", "quorum"),
    ]
    assert "unreachable" in findings[0].sentence


def test_a_worker_that_is_down_is_told_and_costs_no_quorum():
    findings = health.check_members(view(member("pi1"), member("pi2", role="worker", state="down")))
    assert [(one.level, one.node, one.check) for one in findings] == [
        ("fault", "pi2", "member"),
        ("ok", "", "quorum"),
    ]


@pytest.mark.parametrize(("days", "level"), [(-1, "fault"), (29, "warning"), (31, None), (None, None)])
def test_certificates_that_end_are_told(days: int | None, level: str | None):
    until = 0 if days is None else int(NOW_S + days * DAY_S)
    findings = health.check_certificates({"pi1": Facts("pi1", certificate_until=until)}, NOW_S)
    assert [one.level for one in findings] == ([level] if level else [])


@pytest.mark.parametrize(("offsets", "apart"), [((0.0,), False), ((4.0, -4.0), False), ((8.0, -8.0), True)])
def test_clocks_that_disagree_are_told(offsets: tuple[float, ...], apart: bool):
    facts = {
        f"pi{number}": Facts(f"pi{number}", clock_offset_s=offset) for number, offset in enumerate(offsets)
    }
    assert bool(health.check_clocks(facts)) is apart


def test_each_way_that_fails_names_its_direction():
    (found,) = health.check_ways([Gap("pi1", "pi2", "7946/tcp", "timed out")])
    assert (found.level, found.node) == ("fault", "pi1")
    assert "pi2" in found.sentence
    assert "7946/tcp" in found.sentence


def test_services_that_lack_tasks_are_told():
    findings = health.check_services({"whole": (1, 1), "lame": (1, 3), "resting": (0, 0)})
    assert [one.sentence for one in findings] == ["lame runs 1 of 3 tasks."]
