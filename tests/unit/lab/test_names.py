import pytest

from piswarm.errors import UsageError
from piswarm.lab.names import MOST_NODES, Lab, node_names

LINUX_INTERFACE_NAME_LIMIT = 15


@pytest.mark.parametrize("name", ["lab", "a", "test-12", "x1-y2-z"])
def test_a_labs_bridge_has_a_name_that_linux_accepts(name):
    assert len(Lab(name).interface) <= LINUX_INTERFACE_NAME_LIMIT


@pytest.mark.parametrize("name", ["", "Lab", "lab_1", "-lab", "lab-", "12345678", "a/b", "a b"])
def test_a_name_that_cannot_be_a_bridge_is_refused(name):
    with pytest.raises(UsageError, match="cannot be the name of a lab"):
        Lab(name)


def test_the_environment_names_the_lab():
    assert Lab.from_environment({"PISWARM_LAB": "two"}).name == "two"
    assert Lab.from_environment({}).name == "lab"


def test_everything_of_a_lab_is_told_from_another_labs_by_label_and_name():
    one, two = Lab("one"), Lab("two")
    assert one.labels != two.labels
    assert one.filters == ["piswarm.lab=one"]
    assert one.container_name("pi1") != two.container_name("pi1")


def test_mac_addresses_are_raspberry_pis_stable_and_distinct():
    addresses = {Lab(lab).mac_address(node) for lab in ("one", "two") for node in node_names(MOST_NODES)}
    assert len(addresses) == 2 * MOST_NODES
    assert all(address.startswith("2c:cf:67:") and len(address) == 17 for address in addresses)
    assert Lab("one").mac_address("pi1") == Lab("one").mac_address("pi1")


def test_nodes_are_numbered_from_one():
    assert node_names(3) == ["pi1", "pi2", "pi3"]


@pytest.mark.parametrize("count", [-1, 0, MOST_NODES + 1])
def test_a_lab_without_nodes_or_with_too_many_is_refused(count):
    with pytest.raises(UsageError, match=f"1 to {MOST_NODES} nodes"):
        node_names(count)
