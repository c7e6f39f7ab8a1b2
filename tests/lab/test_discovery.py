"""Finding nodes: each of them, each time, in time, whatever their image announces."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from jinja2 import Template

from piswarm.cluster.discover import look_around
from piswarm.cluster.sighting import Sighting
from piswarm.lab.names import Lab
from piswarm.settings import PLAYBOOKS
from tests.lab.laboratory import COMMAND_WITHIN_S, NODES, ROOT, UP_WITHIN_S, Workplace

pytestmark = pytest.mark.lab

TIMES = 20
WITHIN_S = 2.0
SETTLED_WITHIN_S = 30
_CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]
SILENT_LAB, ALIKE_LAB = Lab(f"s{_CHECKOUT}"), Lab(f"n{_CHECKOUT}")
ANNOUNCEMENT = PLAYBOOKS / "roles/announce/templates/piswarm.service.j2"


@dataclass(frozen=True)
class Look:
    """One look around: what was seen and how long it took."""

    seen: list[Sighting]
    seconds: float


@pytest.fixture(scope="module")
def silent_lab(tmp_path_factory) -> Iterator[Workplace]:
    """Three simulated Pis that announce nothing, as images did before May 2025."""
    with lab_of_our_own(
        Workplace(SILENT_LAB, tmp_path_factory.mktemp("silent")), len(NODES), "--silent"
    ) as user:
        yield user


@pytest.fixture(scope="module")
def alike_lab(tmp_path_factory) -> Iterator[Workplace]:
    """Two simulated Pis whose cards were flashed alike: both call themselves raspberrypi."""
    with lab_of_our_own(Workplace(ALIKE_LAB, tmp_path_factory.mktemp("alike")), 2, "--same-names") as user:
        yield user


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


def test_nodes_called_alike_on_two_links_are_told_apart(lab: Workplace, silent_lab: Workplace):
    seen = look_around([lab.lab.interface, silent_lab.lab.interface])
    assert {one.address for one in seen} == {*addresses(lab), *addresses(silent_lab)}
    assert [one.name for one in seen] == [name for name in NODES for _ in range(2)]
    silent = [one for one in seen if one.address in addresses(silent_lab)]
    assert not [one for one in silent if "_workstation._tcp" in one.seen_by]


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


def test_a_node_with_two_addresses_is_one_node(silent_lab: Workplace):
    first, second = addresses(silent_lab)[0], addresses(silent_lab)[0].rpartition(".")[0] + ".99"
    silent_lab.on_node("pi1", f"ip address add {second}/24 dev eth0")
    try:
        seen = looks_settle(silent_lab, lambda seen: any(second in one.addresses for one in seen))
    finally:
        silent_lab.on_node("pi1", f"ip address del {second}/24 dev eth0")
    assert (seen[0].name, seen[0].addresses) == ("pi1", (first, second))
    assert len(seen) == len(NODES)


def test_nodes_called_alike_are_two_nodes(alike_lab: Workplace):
    seen = looks_settle(alike_lab, lambda seen: len({one.name for one in seen}) == 2)
    assert [one.name for one in seen] == ["raspberrypi", "raspberrypi-2"]
    assert {one.address for one in seen} == set(addresses(alike_lab))
    assert len({one.mac for one in seen}) == 2


def test_a_node_of_a_cluster_tells_its_cluster_and_role(silent_lab: Workplace):
    announcement = Template(ANNOUNCEMENT.read_text()).render(announce_cluster="attic", announce_role="worker")
    service = "/etc/avahi/services/piswarm.service"
    silent_lab.on_node("pi3", f"printf '%s' {shlex.quote(announcement)} >{service}")
    try:
        looks_settle(silent_lab, lambda seen: any(one.cluster for one in seen))
        nodes = {node["name"]: node for node in listed(silent_lab)}
        table = silent_lab.piswarm("discover", "--interface", silent_lab.lab.interface).stdout
    finally:
        silent_lab.on_node("pi3", f"rm {service}")
    assert (nodes["pi3"]["kind"], nodes["pi3"]["cluster"], nodes["pi3"]["role"]) == (
        "member",
        "attic",
        "worker",
    )
    assert nodes["pi1"]["kind"] == "raspberry-pi"
    assert "worker of cluster 'attic'" in table


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


@contextmanager
def lab_of_our_own(user: Workplace, nodes: int, option: str) -> Iterator[Workplace]:
    """Have a lab up inside the block, and down afterwards."""
    user.piswarm("lab", "down")
    try:
        user.piswarm("lab", "up", option, "--nodes", str(nodes), within_s=UP_WITHIN_S)
        yield user
    finally:
        user.piswarm("lab", "down")


def looks_settle(user: Workplace, settled: Callable[[list[Sighting]], bool]) -> list[Sighting]:
    """Look around until what was changed on a node has got around; avahi takes a moment to announce it."""
    ends = time.monotonic() + SETTLED_WITHIN_S
    while not settled(seen := look_around([user.lab.interface])):
        assert time.monotonic() < ends, seen
    return seen


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
