"""The borders of checks; what they find is in tests/cases/cluster."""

import pytest

from piswarm.cluster.checks import check_nodes
from piswarm.cluster.facts import Address, Facts, SwarmFacts
from piswarm.cluster.finding import FAULT, OK, WARNING, Finding, faults
from piswarm.cluster.node_checks import check_manager, check_node

SOUND = Facts(
    "pi1",
    mac="2c:cf:67:00:00:01",
    model="Raspberry Pi 4 Model B Rev 1.4",
    memory_mb=3793,
    arch="arm64",
    machine="aarch64",
    kernel="6.12.47+rpt-rpi-v8",
    os_id="debian",
    os_name="Debian GNU/Linux 13 (trixie)",
    python="3.13.5",
    iptables="iptables v1.8.11 (nf_tables)",
    iptables_tables=("nat", "filter"),
    vxlan=True,
    addresses=(Address("eth0", "192.168.1.11", 24, dhcp=False),),
    default_interface="eth0",
    disk_size_mb=29000,
    disk_free_mb=24000,
    disk_device="/dev/mmcblk0p2",
    sudo="password",
)


def with_changes(**changes) -> Facts:
    return Facts.from_dict({**SOUND.to_dict(), **changes})


def found(**changes) -> list[tuple[str, str]]:
    return [(one.level, one.check) for one in check_node("pi1", with_changes(**changes)) if one.level != OK]


def test_a_sound_node_is_told_in_one_line():
    assert check_node("pi1", SOUND) == [
        Finding(
            OK,
            "pi1",
            "node",
            "Raspberry Pi 4 Model B Rev 1.4, arm64, 3793 MiB, Debian GNU/Linux 13 (trixie)",
        )
    ]


@pytest.mark.parametrize(
    ("within", "beyond", "finding"),
    [
        ({"clock_offset_s": 10.0}, {"clock_offset_s": 10.1}, (FAULT, "clock")),
        ({"clock_offset_s": -10.0}, {"clock_offset_s": -10.1}, (FAULT, "clock")),
        ({"disk_free_mb": 2048}, {"disk_free_mb": 2047}, (FAULT, "disk")),
        ({"memory_mb": 400}, {"memory_mb": 399}, (WARNING, "memory")),
        ({"python": "3.9.2"}, {"python": "3.8.20"}, (FAULT, "python")),
        ({"python": "3.10.12"}, {"python": "2.7.18"}, (FAULT, "python")),
        (
            {"kernel": "6.17.9", "iptables": "iptables v1.8.11 (legacy)"},
            {"kernel": "6.18.0", "iptables": "iptables v1.8.11 (legacy)"},
            (FAULT, "iptables-legacy"),
        ),
        ({"vxlan": None}, {"vxlan": False}, (FAULT, "vxlan")),
        ({"throttled": -1}, {"throttled": 1}, (WARNING, "power")),
        ({"throttled": 0x20000}, {"throttled": 0x10000}, (WARNING, "power")),
        ({"default_interface": "end0"}, {"default_interface": "wlan0"}, (WARNING, "wifi")),
        ({"iptables": ""}, {"iptables_tables": ["filter"]}, (FAULT, "iptables-nat")),
    ],
)
def test_where_the_border_is(within, beyond, finding):
    assert found(**within) == []
    assert found(**beyond) == [finding]


@pytest.mark.parametrize(
    ("offset_s", "told"),
    [(90, "90 s ahead of"), (-600, "10 min behind"), (7200, "2 h ahead of"), (-4e6, "46 days behind")],
)
def test_how_far_off_a_clock_is_told_in_words_of_people(offset_s, told):
    (finding,) = check_node("pi1", with_changes(clock_offset_s=offset_s))
    assert told in finding.sentence


def test_a_manager_with_a_leased_address_is_told_what_to_reserve():
    leased = with_changes(
        addresses=[{"interface": "eth0", "address": "192.168.1.11", "prefix": 24, "dhcp": True}]
    )
    (finding,) = check_manager("pi1", leased)
    assert (finding.level, finding.check) == (WARNING, "dhcp")
    assert finding.remedy == "Reserve it in your router: 192.168.1.11 for MAC address 2c:cf:67:00:00:01."
    assert check_manager("pi1", SOUND) == []


def test_a_lease_on_another_interface_does_no_harm():
    second = {"interface": "wlan0", "address": "192.168.1.12", "prefix": 24, "dhcp": True}
    assert check_manager("pi1", with_changes(addresses=[*SOUND.to_dict()["addresses"], second])) == []


def test_more_is_asked_of_managers_only_where_they_are_named():
    leased = with_changes(
        addresses=[{"interface": "eth0", "address": "192.168.1.11", "prefix": 24, "dhcp": True}]
    )
    assert [one.check for one in check_nodes({"pi1": leased}, cluster="home", managers=["pi1"])] == [
        "dhcp",
        "node",
    ]
    assert [one.check for one in check_nodes({"pi1": leased}, cluster="home")] == ["node"]


def test_faults_come_first_and_only_they_stop_init():
    waiting = with_changes(hostname="pi2", reboot_required=True)
    facts = {"pi1": SOUND, "pi2": waiting, "pi3": with_changes(hostname="pi3", sudo="denied")}
    findings = check_nodes(facts, cluster="home")
    assert [one.level for one in findings] == [FAULT, WARNING, OK]
    assert [one.node for one in faults(findings)] == ["pi3"]


@pytest.mark.parametrize("state", ["active", "pending"])
def test_a_node_of_ours_is_no_stranger(state):
    swarm = SwarmFacts(state, "node-1", address="192.168.1.11")
    facts = {"pi1": Facts.from_dict({**SOUND.to_dict(), "swarm": vars(swarm), "marker": {"cluster": "home"}})}
    assert faults(check_nodes(facts, cluster="home")) == []
    assert [one.check for one in faults(check_nodes(facts, cluster="attic"))] == ["foreign-swarm"]


def test_a_node_without_our_mark_is_no_stranger_if_our_swarm_knows_it():
    swarm = SwarmFacts("active", "node-1", address="192.168.1.11")
    facts = {"pi1": Facts.from_dict({**SOUND.to_dict(), "swarm": vars(swarm)})}
    assert faults(check_nodes(facts, cluster="home", swarm_id="s", swarm_members=["node-1"])) == []
    assert faults(check_nodes(facts, cluster="home", swarm_id="s", swarm_members=["node-2"]))
