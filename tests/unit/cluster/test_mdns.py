import socket

from zeroconf import ServiceInfo

from piswarm.cluster.mdns import LIKELY_NAMES, sighting_of_service

WORKSTATION, PISWARM = "_workstation._tcp.local.", "_piswarm._tcp.local."


def service(kind, instance, server, properties=None, addresses=("10.0.0.11",)):
    packed = [socket.inet_aton(address) for address in addresses]
    return ServiceInfo(
        kind, f"{instance}.{kind}", port=9, server=server, addresses=packed, properties=properties or {}
    )


def test_a_workstation_tells_its_mac_address_in_its_name():
    sighting = sighting_of_service(
        service(WORKSTATION, "raspberrypi [2C:CF:67:01:02:03]", "raspberrypi.local.")
    )
    assert (sighting.name, sighting.mac) == ("raspberrypi", "2c:cf:67:01:02:03")
    assert (sighting.addresses, sighting.seen_by) == (("10.0.0.11",), ("_workstation._tcp",))


def test_a_workstation_whose_name_clashed_is_called_as_avahi_renamed_it():
    sighting = sighting_of_service(
        service(WORKSTATION, "raspberrypi [2c:cf:67:01:02:03]", "raspberrypi-2.local.")
    )
    assert sighting.name == "raspberrypi-2"


def test_a_node_of_ours_tells_its_cluster_and_role():
    sighting = sighting_of_service(
        service(PISWARM, "pi1", "pi1.local.", {"cluster": "home", "role": "manager"})
    )
    assert (sighting.cluster, sighting.role, sighting.mac) == ("home", "manager", "")


def test_foreign_properties_are_left_alone():
    sighting = sighting_of_service(service("_ssh._tcp.local.", "nas", "nas.local.", {"u": "admin"}))
    assert (sighting.name, sighting.cluster, sighting.role) == ("nas", "", "")


def test_the_names_of_cards_flashed_alike_are_asked_for():
    assert {"raspberrypi", "raspberrypi-2", "pi1", "node3"} <= set(LIKELY_NAMES)
