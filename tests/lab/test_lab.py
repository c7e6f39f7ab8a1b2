"""The lab itself: its nodes behave like boards, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from piswarm.lab.names import Lab
from tests.lab.laboratory import CHECKOUT, Workplace, lab_up, left_of

pytestmark = pytest.mark.lab

BOOT_WITHIN_S = 90
COMMAND_WITHIN_S = 20


@pytest.fixture(scope="module")
def two_alike(tmp_path_factory) -> Iterator[Workplace]:
    """Two nodes from cards that were flashed alike."""
    user = Workplace(Lab(f"l{CHECKOUT}"), tmp_path_factory.mktemp("home"))
    with lab_up(user, 2, "--same-names"):
        yield user


def test_what_is_up_stays_as_it_is(two_alike: Workplace):
    before = two_alike.on_node("pi1", "cat /proc/1/stat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub")
    again = two_alike.piswarm("lab", "up", "--nodes", "2", "--json").document()
    assert [node["state"] for node in again["nodes"]] == ["running", "running"]
    kept = two_alike.on_node("pi1", "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub")
    assert before.endswith(kept)


def test_boards_flashed_alike_share_a_name_and_nothing_else(two_alike: Workplace):
    differing = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /sys/class/net/eth0/address"
    first, second = (two_alike.on_node(node, differing).splitlines() for node in ("pi1", "pi2"))
    assert two_alike.on_node("pi1", "hostname") == two_alike.on_node("pi2", "hostname") == "raspberrypi\n"
    assert not set(first) & set(second)
    assert first[-1].startswith("2c:cf:67:")


def test_a_node_takes_a_password_and_its_sudo_asks_for_it(two_alike: Workplace):
    address = two_alike.piswarm("lab", "status", "--json").document()["nodes"][0]["address"]
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(address, username="pi", password="raspberry", allow_agent=False, look_for_keys=False)
        assert output(client, "sudo -n true 2>&1 || echo refused").endswith("refused\n")
        assert output(client, "sudo -S -p '' id -u", "raspberry\n") == "0\n"


def test_a_node_trusts_what_the_machine_trusts(two_alike: Workplace):
    own = Path("/usr/local/share/ca-certificates")
    machines = (
        {certificate.read_text().strip() for certificate in own.glob("*.crt")} if own.is_dir() else set()
    )
    trusted = two_alike.on_node("pi1", "cat /etc/ssl/certs/ca-certificates.crt")
    assert trusted.count("BEGIN CERTIFICATE") > 100
    assert all(certificate in trusted for certificate in machines)


def test_after_a_power_cut_a_node_has_its_disk_name_and_address(two_alike: Workplace):
    address = "ip -4 -o address show eth0"
    before = two_alike.on_node("pi2", address)
    two_alike.on_node("pi2", "echo kept >/root/file; hostnamectl set-hostname kitchen; sync")
    two_alike.piswarm("lab", "kill", "pi2")
    assert [node["state"] for node in two_alike.piswarm("lab", "status", "--json").document()["nodes"]] == [
        "running",
        "exited",
    ]
    two_alike.piswarm("lab", "start", "pi2", within_s=BOOT_WITHIN_S)
    assert two_alike.on_node("pi2", "cat /root/file; hostname") == "kept\nkitchen\n"
    assert two_alike.on_node("pi2", address).split()[3] == before.split()[3]


def test_a_node_that_is_not_there_is_told_in_a_sentence(two_alike: Workplace):
    outcome = two_alike.try_piswarm("lab", "kill", "pi9")
    assert outcome.code == 1
    assert "has no node pi9; there is: pi1, pi2" in outcome.stderr
    assert "Traceback" not in outcome.told


def test_down_takes_what_is_the_labs_and_leaves_the_neighbour_alone(two_alike: Workplace, tmp_path: Path):
    neighbour = Workplace(Lab(f"m{CHECKOUT}"), tmp_path)
    with lab_up(neighbour, 1):
        assert len(left_of(neighbour)) == 5  # a node, its two volumes, the network and its bridge
    assert left_of(neighbour) == []
    assert two_alike.on_node("pi1", "systemctl is-system-running") == "running\n"


def output(client: paramiko.SSHClient, command: str, stdin: str = "") -> str:
    into, out, _ = client.exec_command(command, timeout=COMMAND_WITHIN_S)
    into.write(stdin)
    into.channel.shutdown_write()
    return out.read().decode()
