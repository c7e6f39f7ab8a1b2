"""What is told when a build on one of several nodes fails."""

import pytest

from piswarm.errors import BuildError, ConnectError
from piswarm.functions.natively import told

ON_PI3 = BuildError("both could not be built on pi3: the build ran out of memory.", "Take Debian's package.")


def test_a_fault_names_the_node_and_the_architecture():
    error = told({"armhf": ON_PI3}, many=True)
    assert isinstance(error, BuildError)
    assert error.message == "For armhf: both could not be built on pi3: the build ran out of memory."
    assert error.hint == "Take Debian's package."


def test_all_faults_are_told():
    error = told({"arm64": ConnectError("pi1: the SSH connection broke."), "armhf": ON_PI3}, many=True)
    assert "For arm64: pi1: the SSH connection broke. For armhf: both could not" in str(error)


def test_where_there_is_one_architecture_it_is_not_named():
    assert told({"armhf": ON_PI3}, many=False) is ON_PI3


@pytest.mark.parametrize("many", [True, False])
def test_a_bug_stays_a_bug(many):
    bug = KeyError("x")
    assert told({"arm64": ON_PI3, "armhf": bug}, many=many) is bug
