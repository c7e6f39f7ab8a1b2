"""Finding nodes: each of them, each time, in time, whatever their image announces."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from piswarm.cluster.discover import look_around
from piswarm.cluster.sighting import Sighting
from piswarm.lab.names import Lab
from tests.lab.laboratory import COMMAND_WITHIN_S, NODES, ROOT, UP_WITHIN_S, Workplace

pytestmark = pytest.mark.lab

TIMES = 20
WITHIN_S = 2.0
SILENT_LAB = Lab("s" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:6])


@dataclass(frozen=True)
class Look:
    """One look around: what was seen and how long it took."""

    seen: list[Sighting]
    seconds: float


@pytest.fixture(scope="module")
def silent_lab(tmp_path_factory) -> Iterator[Workplace]:
    """Three simulated Pis that announce nothing, as images did before May 2025."""
    user = Workplace(SILENT_LAB, tmp_path_factory.mktemp("silent"))
    user.piswarm("lab", "down")
    try:
        user.piswarm("lab", "up", "--silent", "--nodes", str(len(NODES)), within_s=UP_WITHIN_S)
        yield user
    finally:
        user.piswarm("lab", "down")


def test_announced_nodes_are_found_each_time(lab: Workplace):
    looks = look_often(lab)
    found_each_time(looks, lab)
    assert all("_workstation._tcp" in one.seen_by for look in looks for one in look.seen)


def test_silent_nodes_are_found_each_time(silent_lab: Workplace):
    looks = look_often(silent_lab)
    found_each_time(looks, silent_lab)
    told = {source for look in looks for one in look.seen for source in one.seen_by}
    assert "_workstation._tcp" not in told
    assert "reverse-lookup" in told


def test_only_the_interface_asked_for_is_looked_on(lab: Workplace, silent_lab: Workplace):
    for one, other in ((lab, silent_lab), (silent_lab, lab)):
        here = {seen.address for seen in look_around([one.lab.interface])}
        assert here == set(addresses(one))
        assert not here & set(addresses(other))


def test_a_node_without_mdns_is_found_by_its_ssh_port_if_a_sweep_is_asked_for(silent_lab: Workplace):
    silent_lab.on_node("pi2", "systemctl stop avahi-daemon.socket avahi-daemon.service")
    try:
        assert len(listed(silent_lab)) == len(NODES) - 1
        swept = {node["address"]: node for node in listed(silent_lab, "--sweep")}
    finally:
        silent_lab.on_node("pi2", "systemctl start avahi-daemon.socket avahi-daemon.service")
    assert set(swept) == set(addresses(silent_lab))
    found = swept[addresses(silent_lab)[1]]
    assert (found["seen_by"], found["kind"]) == (["ssh-port"], "raspberry-pi")
    assert found["banner"].startswith("SSH-2.0-OpenSSH")


def test_the_table_tells_names_addresses_macs_and_kinds(lab: Workplace):
    table = lab.piswarm("discover", "--lab").stdout.splitlines()
    assert table[0].split() == ["NAME", "ADDRESS", "MAC", "KIND"]
    rows = [line.split(maxsplit=3) for line in table[1:]]
    status = lab.piswarm("lab", "status", "--json").document()["nodes"]
    assert [row[:3] for row in rows] == [[node["name"], node["address"], node["mac"]] for node in status]


def test_a_network_without_nodes_is_told_in_a_sentence(lab: Workplace):
    outcome = lab.try_piswarm("discover", "--interface", "lo")
    assert outcome.code == 1
    assert "Error: No node was found on lo." in outcome.stderr


def listed(user: Workplace, *options: str) -> list[dict]:
    arguments = ("discover", "--interface", user.lab.interface, "--json", *options)
    return user.piswarm(*arguments, within_s=COMMAND_WITHIN_S).document()["nodes"]


def look_often(user: Workplace) -> list[Look]:
    looks = []
    for _ in range(TIMES):
        began = time.monotonic()
        seen = look_around([user.lab.interface])
        looks.append(Look(seen, time.monotonic() - began))
    return looks


def found_each_time(looks: list[Look], user: Workplace) -> None:
    nodes = user.piswarm("lab", "status", "--json").document()["nodes"]
    expected = [(node["name"], node["address"], node["mac"], "raspberry-pi") for node in nodes]
    for look in looks:
        assert [(one.name, one.address, one.mac, _unjoined_kind(one)) for one in look.seen] == expected
        assert look.seconds <= WITHIN_S, [round(look.seconds, 2) for look in looks]


def _unjoined_kind(one: Sighting) -> str:
    """Return what the node is as a board, also after another test has made it a member of a cluster."""
    return "raspberry-pi" if one.is_raspberry_pi else one.kind


def addresses(user: Workplace) -> list[str]:
    nodes = user.piswarm("lab", "status", "--json").document()["nodes"]
    return [node["address"] for node in nodes]
