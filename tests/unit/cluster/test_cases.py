"""Every case in tests/cases/cluster: what the nodes are, what is found, what is planned.

A case names its nodes: a board of tests/cases/boards (the facts of one model and system) and what differs from
it. `findings` are all but the `ok` ones, in order; `plan` is null where a fault stops `init`.
"""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from piswarm.cluster import checks, node_checks
from piswarm.cluster.checks import check_nodes
from piswarm.cluster.facts import Facts
from piswarm.cluster.finding import OK, faults
from piswarm.cluster.plan import Observed, SwarmMember, SwarmView, Wish, plan_cluster, unique_names
from piswarm.errors import ProvisionError

CASES = Path(__file__).parents[2] / "cases"
CLUSTER = "home"
NOTHING_FOUND, FOR_MANAGERS = "node", "dhcp"  # the latter is told as a warning of the plan
FILES = sorted((CASES / "cluster").glob("*.json"))


def read_case(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def facts_of(node: dict[str, Any]) -> Facts:
    board = json.loads((CASES / "boards" / f"{node['board']}.json").read_text())
    return Facts.from_dict({**board, **node["facts"]})


def observed(case: dict[str, Any]) -> list[Observed]:
    seen = []
    for node in case["nodes"]:
        facts = facts_of(node)
        seen.append(Observed(facts.addresses[0].address, facts, node["knows_key"]))
    return seen


def swarm_of(case: dict[str, Any]) -> SwarmView | None:
    if "swarm" not in case:
        return None
    view = case["swarm"]
    members = {key: SwarmMember(node_id=key, **member) for key, member in view["members"].items()}
    return SwarmView(view["cluster_id"], members, view["release"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_case(path: Path):
    case = read_case(path)
    nodes, swarm = observed(case), swarm_of(case)
    names = unique_names([node.facts.hostname for node in nodes])
    findings = check_nodes(
        dict(zip(names, (node.facts for node in nodes), strict=True)),
        cluster=CLUSTER,
        swarm_id=swarm.cluster_id if swarm else "",
        swarm_members=tuple(swarm.members) if swarm else (),
    )
    told = [[found.level, found.node, found.check] for found in findings if found.level != OK]
    assert told == case["findings"]
    assert all(
        found.sentence.endswith(".") and found.remedy.endswith(".") for found in findings if found.level != OK
    )

    wish = Wish(CLUSTER, case.get("managers", 0), "recipe-1", "release-1", case.get("image_arch", ""))
    if "error" in case:
        with pytest.raises(ProvisionError) as caught:
            plan_cluster(wish, nodes, swarm)
        assert caught.value.message == case["error"]
        return
    assert bool(faults(findings)) == (case["plan"] is None)
    if case["plan"] is not None:
        check_plan(case["plan"], wish, nodes, swarm)


def check_plan(expected: dict[str, Any], wish: Wish, nodes: list[Observed], swarm: SwarmView | None) -> None:
    plan = plan_cluster(wish, nodes, swarm)
    assert [[step.kind, step.node] for step in plan.steps] == expected["steps"]
    assert [node.name for node in plan.nodes if node.role == "manager"] == expected["managers"]
    assert list(plan.warnings) == expected["warnings"]
    for name, labels in expected.get("labels", {}).items():
        assert dict(next(node.labels for node in plan.nodes if node.name == name)) == labels


def test_each_check_has_a_case():
    written = {
        call.args[2].value
        for module in (checks, node_checks)
        for call in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Finding"
    }
    shown = {check for path in FILES for _, _, check in read_case(path)["findings"]}
    assert written - {NOTHING_FOUND, FOR_MANAGERS} == shown


def test_each_board_is_in_a_case():
    used = {node["board"] for path in FILES for node in read_case(path)["nodes"]}
    assert used == {path.stem for path in (CASES / "boards").glob("*.json")}
