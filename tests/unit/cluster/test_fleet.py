"""Work on several nodes at once: a failure is its node's own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from piswarm.cluster.connect import Connection, Login
from piswarm.cluster.fleet import Fleet
from piswarm.console import Console
from piswarm.errors import SwarmError


@pytest.fixture
def fleet() -> Fleet:
    login = Login("pi", Path("known_hosts"))
    connections = {
        name: Connection(name, f"192.0.2.{number}", login) for number, name in enumerate(("a", "b", "c"))
    }
    return Fleet(connections, "a", Console(err=io.StringIO()))


def fail_on(*names: str):
    def work(connection: Connection) -> str:
        if connection.node in names:
            raise SwarmError(f"{connection.node} broke")
        return connection.node.upper()

    return work


def test_each_node_gives_its_value(fleet: Fleet):
    assert fleet.on(["a", "c"], fail_on()) == {"a": "A", "c": "C"}


def test_a_failure_is_kept_and_its_node_left_alone_afterwards(fleet: Fleet):
    assert fleet.on(["a", "b", "c"], fail_on("b")) == {"a": "A", "c": "C"}
    assert fleet.failures == {"b": "b broke"}
    assert fleet.healthy == ["a", "c"]
    assert fleet.on(["a", "b", "c"], fail_on()) == {"a": "A", "c": "C"}


def test_a_failure_of_the_first_node_ends_everything(fleet: Fleet):
    with pytest.raises(SwarmError, match="a broke"):
        fleet.on(["a", "b"], fail_on("a"))
