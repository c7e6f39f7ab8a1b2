import pytest

from piswarm.cluster.sighting import MEMBER, OTHER, RASPBERRY_PI, Sighting, merge_link, merge_sightings

MAC, OTHER_MAC = "2c:cf:67:00:00:01", "2c:cf:67:00:00:02"


def test_what_several_services_tell_of_one_node_is_one_node():
    merged = merge_sightings(
        [
            Sighting("pi1", ("10.0.0.11",), mac=MAC, seen_by=("_workstation._tcp",)),
            Sighting("pi1", ("10.0.0.11",), seen_by=("_piswarm._tcp",), cluster="home", role="worker"),
            Sighting("pi1", ("10.0.0.11",), seen_by=("reverse-lookup",)),
        ]
    )
    seen_by = ("_piswarm._tcp", "_workstation._tcp", "reverse-lookup")
    assert merged == [Sighting("pi1", ("10.0.0.11",), MAC, seen_by, "home", "worker")]


def test_a_board_with_ethernet_and_wifi_is_one_node_by_its_name():
    wired = Sighting("pi1", ("10.0.0.11",), mac=MAC, seen_by=("_workstation._tcp",))
    wireless = Sighting("PI1", ("10.0.0.12",), mac=OTHER_MAC, seen_by=("reverse-lookup",))
    (merged,) = merge_link([wireless, wired])
    assert merged.addresses == ("10.0.0.11", "10.0.0.12")


def test_a_node_of_the_same_name_on_another_link_is_another_node():
    here, there = Sighting("pi1", ("10.0.0.11",), mac=MAC), Sighting("pi1", ("10.0.1.11",), mac=OTHER_MAC)
    assert merge_sightings([here, there]) == [here, there]


def test_a_node_that_got_another_address_is_one_node_by_its_mac():
    (merged,) = merge_sightings(
        [Sighting("old", ("10.0.0.11",), mac=MAC), Sighting("new", ("10.0.0.12",), mac=MAC)]
    )
    assert merged.name == "old"


def test_a_sighting_can_join_two_that_were_apart():
    merged = merge_sightings(
        [
            Sighting("10.0.0.11", ("10.0.0.11",), seen_by=("ssh-port",)),
            Sighting("10.0.0.12", ("10.0.0.12",), seen_by=("ssh-port",)),
            Sighting("pi1", ("10.0.0.11", "10.0.0.12"), mac=MAC),
        ]
    )
    assert [(one.name, one.addresses) for one in merged] == [("pi1", ("10.0.0.11", "10.0.0.12"))]


def test_a_name_stands_above_an_address_whichever_came_first():
    named, nameless = (
        Sighting("pi1", ("10.0.0.11",)),
        Sighting("10.0.0.11", ("10.0.0.11",), banner="SSH-2.0-x"),
    )
    for order in ([named, nameless], [nameless, named]):
        (merged,) = merge_sightings(order)
        assert (merged.name, merged.banner) == ("pi1", "SSH-2.0-x")


def test_two_nodes_stay_two():
    merged = merge_sightings([Sighting("pi1", ("10.0.0.11",)), Sighting("pi2", ("10.0.0.12",))])
    assert [one.name for one in merged] == ["pi1", "pi2"]


def test_the_order_is_that_of_people_and_does_not_depend_on_who_answered_first():
    names = ["pi10", "pi2", "node1", "pi1"]
    sightings = [Sighting(name, (f"10.0.0.{number}",)) for number, name in enumerate(names, start=1)]
    for order in (sightings, sightings[::-1]):
        assert [one.name for one in merge_sightings(order)] == ["node1", "pi1", "pi2", "pi10"]


def test_without_an_address_there_is_nothing_to_reach():
    assert merge_sightings([Sighting("pi1", ())]) == []


@pytest.mark.parametrize(
    ("sighting", "kind"),
    [
        (Sighting("a", ("10.0.0.1",), mac="b8:27:eb:00:00:01"), RASPBERRY_PI),
        (Sighting("a", ("10.0.0.1",), mac="f0:40:af:9a:00:01"), RASPBERRY_PI),
        (Sighting("a", ("10.0.0.1",), mac="f0:40:af:8a:00:01"), OTHER),
        (Sighting("a", ("10.0.0.1",), mac="8c:1f:64:34:a1:01"), RASPBERRY_PI),
        (Sighting("raspberrypi", ("10.0.0.1",), mac="00:e0:4c:00:00:01"), RASPBERRY_PI),
        (Sighting("raspberrypi-2", ("10.0.0.1",)), RASPBERRY_PI),
        (Sighting("raspberrypi-nas", ("10.0.0.1",)), OTHER),
        (Sighting("a", ("10.0.0.1",), banner="SSH-2.0-OpenSSH_9.2p1 Raspbian-2+deb12u7"), RASPBERRY_PI),
        (Sighting("a", ("10.0.0.1",), banner="SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"), OTHER),
        (Sighting("a", ("10.0.0.1",), mac=MAC, cluster="home"), MEMBER),
        (Sighting("television", ("10.0.0.1",), mac="00:11:22:33:44:55"), OTHER),
    ],
)
def test_what_a_sighting_seems_to_be(sighting, kind):
    assert sighting.kind == kind


@pytest.mark.parametrize(
    ("sighting", "worth_a_login"),
    [
        (Sighting("phone", ("10.0.0.1",), seen_by=("reverse-lookup",)), False),
        (Sighting("pi1", ("10.0.0.1",), mac=MAC, seen_by=("reverse-lookup",)), True),
        (Sighting("nuc", ("10.0.0.1",), seen_by=("_workstation._tcp", "reverse-lookup")), True),
        (Sighting("10.0.0.1", ("10.0.0.1",), seen_by=("ssh-port",)), True),
    ],
)
def test_what_may_be_a_node(sighting, worth_a_login):
    assert sighting.may_be_node == worth_a_login
