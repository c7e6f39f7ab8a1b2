import pytest

from piswarm.cluster.facts import Facts
from piswarm.cluster.finding import FAULT, OK, WARNING
from piswarm.cluster.health import (
    check_certificates,
    check_clocks,
    check_members,
    check_services,
    quorum_after_loss,
)
from piswarm.cluster.plan import SwarmMember, SwarmView

DAY_S = 24 * 3600


def view(*states: str, workers: tuple[str, ...] = ()) -> SwarmView:
    roles = [("manager", state) for state in states] + [("worker", state) for state in workers]
    members = {
        f"id{i}": SwarmMember(f"id{i}", role, state, "active", {}, hostname=f"pi{i}")
        for i, (role, state) in enumerate(roles, start=1)
    }
    return SwarmView("swarm", members)


@pytest.mark.parametrize(("managers", "spare"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (7, 3)])
def test_how_many_managers_may_fail(managers, spare):
    assert quorum_after_loss(managers) == spare


@pytest.mark.parametrize(
    ("states", "level"),
    [
        (("ready",), OK),
        (("ready", "ready"), WARNING),
        (("ready", "ready", "ready"), OK),
        (("ready", "ready", "down"), WARNING),
        (("ready", "down", "down"), FAULT),
    ],
)
def test_what_is_left_of_the_quorum(states, level):
    assert check_members(view(*states))[-1].level == level


def test_a_member_that_is_down_is_named():
    findings = check_members(view("ready", workers=("ready", "down")))
    assert [(one.level, one.node, one.check) for one in findings] == [
        (FAULT, "pi3", "member"),
        (OK, "", "quorum"),
    ]


@pytest.mark.parametrize(("days", "level"), [(31, None), (29, WARNING), (-1, FAULT)])
def test_a_certificate_that_ends_soon_is_told(days, level):
    facts = {"pi1": Facts("pi1", certificate_until=1_000_000 + days * DAY_S)}
    assert [one.level for one in check_certificates(facts, 1_000_000)] == ([level] if level else [])


def test_a_node_without_a_certificate_has_none_that_ends():
    assert check_certificates({"pi1": Facts("pi1")}, 1_000_000) == []


def test_clocks_that_differ_from_each_other_are_told_with_their_nodes():
    facts = {name: Facts(name, clock_offset_s=offset) for name, offset in [("a", -6), ("b", 0), ("c", 5)]}
    (finding,) = check_clocks(facts)
    assert "c and a are 11 s apart" in finding.sentence
    assert check_clocks({name: facts[name] for name in ("a", "b")}) == []


def test_a_service_that_lacks_tasks_is_told():
    findings = check_services({"piswarm_gateway": (2, 3), "functest": (1, 1), "idle": (0, 0)})
    assert [one.sentence for one in findings] == ["piswarm_gateway runs 2 of 3 tasks."]
