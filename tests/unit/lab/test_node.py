import pytest

from piswarm.lab.names import Lab
from piswarm.lab.network import IPv4Network
from piswarm.lab.node import Confinement, NodeSpec, environment, first_boot_files, host_config
from piswarm.lab.up import plan_nodes

SPEC = NodeSpec("pi1", "pi1", "10.213.0.11", "2c:cf:67:00:00:01")
EVERYTHING = Confinement(privileged=True, cgroup_v1=False)
NOT_ALL = Confinement(privileged=False, cgroup_v1=True)


def test_where_the_engine_gives_everything_the_node_is_privileged():
    config = host_config(EVERYTHING, {})
    assert config["Privileged"] is True
    assert "CapAdd" not in config


def test_where_a_capability_is_kept_back_all_others_are_given():
    config = host_config(NOT_ALL, {})
    assert "Privileged" not in config
    assert (config["CapAdd"], config["CapDrop"]) == (["ALL"], ["SYS_RESOURCE"])
    assert config["MaskedPaths"] == config["ReadonlyPaths"] == []


@pytest.mark.parametrize("confinement", [EVERYTHING, NOT_ALL])
def test_a_node_keeps_its_docker_on_volumes_and_comes_back_after_a_reboot(confinement):
    config = host_config(confinement, {"disk": "/var/lib/docker"})
    assert config["Binds"] == ["disk:/var/lib/docker"]
    assert config["RestartPolicy"] == {"Name": "unless-stopped"}
    assert config["CgroupnsMode"] == "private"


def test_systemd_is_forced_onto_old_control_groups_only_where_there_are_such():
    assert "SYSTEMD_PROC_CMDLINE" in environment(NOT_ALL, SPEC)
    assert "SYSTEMD_PROC_CMDLINE" not in environment(EVERYTHING, SPEC)


def test_a_silent_node_is_told_so():
    silent = NodeSpec("pi1", "pi1", "10.213.0.11", "2c:cf:67:00:00:01", silent=True)
    assert environment(EVERYTHING, silent)["SILENT"]
    assert "SILENT" not in environment(EVERYTHING, SPEC)


def test_a_node_knows_its_own_name_and_asks_the_machines_name_servers():
    files = {path: content.decode() for path, (content, _) in first_boot_files(SPEC, ["192.0.2.53"]).items()}
    assert files["etc/first-boot/etc/hostname"] == "pi1\n"
    assert "127.0.1.1\tpi1\n" in files["etc/first-boot/etc/hosts"]
    assert files["etc/first-boot/etc/resolv.conf"] == "nameserver 192.0.2.53\n"


def test_without_a_usable_name_server_dockers_own_resolver_stays():
    assert "etc/first-boot/etc/resolv.conf" not in first_boot_files(SPEC, [])


def test_nodes_have_names_of_their_own_unless_they_are_to_clash():
    subnet = IPv4Network("10.213.0.0/24")
    apart = plan_nodes(Lab(), ["pi1", "pi2"], subnet, same_names=False, silent=False)
    alike = plan_nodes(Lab(), ["pi1", "pi2"], subnet, same_names=True, silent=True)
    assert [node.hostname for node in apart] == ["pi1", "pi2"]
    assert [node.hostname for node in alike] == ["raspberrypi", "raspberrypi"]
    assert [node.address for node in alike] == ["10.213.0.11", "10.213.0.12"]
    assert len({node.mac for node in alike}) == 2
    assert all(node.silent for node in alike)
