from ipaddress import IPv4Interface

import pytest

from piswarm.cluster.links import Link, read_links
from piswarm.errors import DiscoveryError


def neighbours(own):
    address = IPv4Interface(own)
    return Link("eth0", (address,)).neighbours(address)


def test_all_addresses_around_ours_are_asked_for_but_not_our_own():
    around = neighbours("192.168.1.20/24")
    assert (around[0], around[-1], len(around)) == ("192.168.1.1", "192.168.1.254", 253)
    assert "192.168.1.20" not in around


def test_a_network_of_a_thousand_is_asked_for_whole():
    assert len(neighbours("10.0.4.20/22")) == 1021


def test_of_a_larger_network_only_the_part_around_us_is_asked_for():
    around = neighbours("10.20.30.40/16")
    assert (around[0], around[-1]) == ("10.20.30.1", "10.20.30.254")


@pytest.mark.parametrize("own", ["127.0.0.1/8", "10.8.0.2/32"])
def test_where_nobody_else_can_be_nobody_is_asked(own):
    assert neighbours(own) == []


def test_a_link_reaches_its_own_network_and_nodes_without_a_lease():
    link = Link("eth0", (IPv4Interface("192.168.1.20/24"), IPv4Interface("10.0.0.2/30")))
    assert link.reaches("192.168.1.77")
    assert link.reaches("10.0.0.1")
    assert link.reaches("169.254.3.4")
    assert not link.reaches("172.17.0.1")


def test_an_interface_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(DiscoveryError, match="no network interface 'nosuch0'") as caught:
        read_links(["nosuch0"])
    assert "lo" in caught.value.hint


def test_no_interface_at_all_is_told():
    with pytest.raises(DiscoveryError, match="no network interface to look on"):
        read_links([])


def test_an_interface_named_twice_is_one_link():
    assert [link.interface for link in read_links(["lo", "lo"])] == ["lo"]
