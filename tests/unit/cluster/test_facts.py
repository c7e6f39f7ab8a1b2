from pathlib import Path

import pytest

from piswarm.cluster.facts import Address, Facts, SwarmFacts, read_probe
from piswarm.errors import ProvisionError

OUTPUTS = Path(__file__).parents[2] / "cases" / "probe"


def output(name: str) -> str:
    return (OUTPUTS / f"{name}.txt").read_text()


def test_a_board_as_its_documentation_describes_it():
    facts = read_probe(output("pi4-as-documented"), our_time=1795220000.0 - 7.5)
    assert (facts.hostname, facts.model, facts.revision) == (
        "raspberrypi",
        "Raspberry Pi 4 Model B Rev 1.4",
        "c03114",
    )
    assert (facts.arch, facts.machine, facts.page_size) == ("arm64", "aarch64", 4096)
    assert (facts.os_id, facts.os_version, facts.os_codename) == ("debian", "13", "trixie")
    assert (facts.memory_mb, facts.disk_size_mb, facts.disk_free_mb) == (3793, 29654, 24576)
    assert facts.memory_cgroup is False
    assert facts.iptables_tables == ("nat", "filter", "mangle")
    assert facts.vxlan is True
    assert facts.addresses == (
        Address("eth0", "192.168.1.23", 24, dhcp=True),
        Address("wlan0", "192.168.1.42", 24, dhcp=True),
        Address("wlan0", "169.254.7.8", 16, dhcp=False),
    )
    assert (facts.default_interface, facts.mac) == ("eth0", "dc:a6:32:01:02:03")
    assert (facts.clock_offset_s, facts.ntp_synchronized) == (7.5, True)
    assert facts.apt_locks == ("/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock")
    assert (facts.cloud_init, facts.reboot_required) == ("running", True)
    assert (facts.throttled, facts.undervoltage) == (0x50005, False)
    assert facts.has_root
    assert facts.swarm == SwarmFacts()
    assert facts.marker == {}


def test_a_node_without_docker():
    facts = read_probe(output("simulated-bare"), our_time=0.0)
    assert (facts.hostname, facts.arch, facts.model) == ("pi1", "amd64", "")
    assert (facts.docker_version, facts.docker_package, facts.certificate_until) == ("", "", 0)
    assert facts.throttled == -1
    assert "docker" not in facts.groups
    assert facts.memory_cgroup


def test_a_manager():
    facts = read_probe(output("simulated-manager"), our_time=0.0)
    swarm = facts.swarm
    assert (swarm.state, swarm.is_manager, swarm.address) == ("active", True, "10.213.1.11")
    assert swarm.cluster_id == "lrzctelhb0u7xzbmrg9k66o2x"
    assert sorted(swarm.managers) == ["10.213.1.11:2377", "10.213.1.12:2377", "10.213.1.13:2377"]
    assert (facts.docker_version, facts.docker_package) == ("26.1.5+dfsg1", "docker.io")
    assert (facts.marker["cluster"], facts.marker["role"]) == ("home", "manager")
    assert facts.certificate_until > 1795220000


@pytest.mark.parametrize("name", ["pi4-as-documented", "simulated-bare", "simulated-manager"])
def test_output_that_is_cut_off_anywhere_is_refused(name):
    whole = output(name)
    for end in range(0, len(whole) - len("end=yes\n") + 1, 97):
        with pytest.raises(ProvisionError, match="cut off"):
            read_probe(whole[:end], our_time=0.0)


def test_what_is_not_a_probe_is_refused():
    with pytest.raises(ProvisionError):
        read_probe("This account is currently not available.\n", our_time=0.0)


@pytest.mark.parametrize("name", ["pi4-as-documented", "simulated-bare", "simulated-manager"])
def test_facts_survive_the_way_through_plain_data(name):
    facts = read_probe(output(name), our_time=0.0)
    assert Facts.from_dict(facts.to_dict()) == facts


def test_facts_of_another_version_are_read_as_far_as_they_are_known():
    assert Facts.from_dict({"hostname": "pi1", "colour": "red"}) == Facts(hostname="pi1")


@pytest.mark.parametrize(
    ("changed", "attribute", "value"),
    [
        ("vxlan=", "vxlan", None),
        ("vxlan=no", "vxlan", False),
        ("throttled=VCHI initialization failed", "throttled", -1),
        ("throttled=error=1", "throttled", -1),
        ("undervoltage=1", "undervoltage", True),
        ("swarm=Cannot connect to the Docker daemon", "swarm", SwarmFacts()),
        ('swarm={"NodeID":"","LocalNodeState":"inactive","RemoteManagers":null}', "swarm", SwarmFacts()),
        ("cluster_marker=[1]", "marker", {}),
        ("cluster_marker={broken", "marker", {}),
        ("swarm_certificate=-----BEGIN CERTIFICATE-----|cut", "certificate_until", 0),
        ("page_size=", "page_size", 4096),
        ("time=", "clock_offset_s", 0.0),
        ("default_route=", "default_interface", ""),
        ("default_route=default dev wg0 scope link", "default_interface", "wg0"),
        ("os_pretty_name=Name = with signs", "os_name", "Name = with signs"),
    ],
)
def test_what_a_node_cannot_tell_is_told_as_not_known(changed, attribute, value):
    key = changed.partition("=")[0]
    lines = [line for line in output("simulated-bare").splitlines() if not line.startswith(f"{key}=")]
    facts = read_probe("\n".join([changed, *lines]), our_time=0.0)
    assert getattr(facts, attribute) == value


@pytest.mark.parametrize(
    ("sudo", "root"),
    [
        ("root", True),
        ("free", True),
        ("password", True),
        ("asks", False),
        ("wrong", False),
        ("missing", False),
    ],
)
def test_who_has_root(sudo, root):
    assert Facts("pi1", sudo=sudo).has_root is root
