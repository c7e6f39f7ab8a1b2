"""Calling from node to node: the program that does it, run here, and what is made of its answers."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from piswarm.cluster import mesh
from piswarm.errors import SwarmError

NOBODY_LISTENS = ("127.0.0.1", 1)


def called(*arguments):
    ran = subprocess.run(
        [sys.executable, "-c", mesh._CALL, json.dumps([NOBODY_LISTENS]), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(ran.stdout)


def test_a_port_that_refuses_is_a_gap():
    assert "refused" in called()[0]


def test_a_task_that_does_not_listen_yet_is_reached_all_the_same():
    assert called(mesh._ANY_ANSWER) == [""]


class Node:
    """A node whose calls end as the test says."""

    def __init__(self, name, observed):
        self.node, self.address, self._observed = name, name, observed

    def run(self, _, timeout_s):
        return SimpleNamespace(stdout=json.dumps(self._observed))


def test_each_direction_that_does_not_work_is_named():
    gaps = mesh.tcp_gaps([Node("pi1", ["timed out"]), Node("pi2", ["", ""])], managers=["pi1"])
    assert gaps == [mesh.Gap("pi1", "pi2", "7946/tcp", "timed out")]
    with pytest.raises(SwarmError, match="pi1 -> pi2, port 7946/tcp: timed out"):
        mesh.raise_gaps(gaps)
