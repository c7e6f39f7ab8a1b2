"""Facts become findings: what stands in the way of a healthy cluster, and what to do about it.

Pure: facts in, findings out. Each check is one function; `CHECKS` lists those that look at one node.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from piswarm.cluster.facts import Facts

OK, WARNING, FAULT = "ok", "warning", "fault"

MAX_CLOCK_OFFSET_S = 10
MIN_FREE_DISK_MB = 2048
MIN_MEMORY_MB = 400
SUPPORTED_ARCHITECTURES = ("armhf", "arm64", "amd64")

_THROTTLED_NOW = {
    0: "under-voltage",
    1: "its clock capped",
    2: "throttled",
    3: "over the soft temperature limit",
}
_UNDERVOLTAGE_SINCE_BOOT = 1 << 16


@dataclass(frozen=True)
class Finding:
    """One thing that was found on a node.

    Attributes:
        level: `ok`, `warning` or `fault`; a fault stops `init`.
        node: name of the node; empty for the cluster as a whole.
        check: short name of the check.
        sentence: what was found.
        remedy: what to do about it.
    """

    level: str
    node: str
    check: str
    sentence: str
    remedy: str = ""


_Check = Callable[[str, Facts], Finding | None]


def check_nodes(
    facts: Mapping[str, Facts], *, cluster: str, swarm_id: str = "", swarm_members: Sequence[str] = ()
) -> list[Finding]:
    """Check all nodes, each by itself and all together.

    Args:
        facts: what the probe saw, by name of the node.
        cluster: name of the cluster that they are to form.
        swarm_id: ID of the cluster's Swarm, where there is one already.
        swarm_members: IDs of the nodes in that Swarm.

    Returns:
        All findings of all nodes, faults first.
    """
    findings = [found for node, one in facts.items() for found in check_node(node, one)]
    findings += [
        found
        for node, one in facts.items()
        if (found := _foreign_swarm(node, one, cluster, swarm_id, swarm_members))
    ]
    findings += _double_names(facts)
    findings += _double_machine_ids(facts)
    order = {FAULT: 0, WARNING: 1, OK: 2}
    return sorted(findings, key=lambda found: order[found.level])


def check_node(node: str, facts: Facts) -> list[Finding]:
    """Check what one node's facts can show; a node with nothing to say gives one `ok` finding."""
    findings = [found for check in CHECKS if (found := check(node, facts))]
    return findings or [Finding(OK, node, "node", _summary(facts))]


def faults(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that stop `init`."""
    return [found for found in findings if found.level == FAULT]


def _sudo(node: str, facts: Facts) -> Finding | None:
    told = {
        "wrong": (
            "sudo does not accept the password.",
            "Give the right one; it can differ from the SSH password.",
        ),
        "denied": ("the login user may not use sudo.", "Run 'usermod -aG sudo USER' there as root."),
        "missing": ("sudo is not installed.", "Run 'apt install sudo' there as root."),
    }.get(facts.sudo)
    return Finding(FAULT, node, "sudo", *told) if told else None


def _architecture(node: str, facts: Facts) -> Finding | None:
    if facts.machine == "armv6l":
        return Finding(
            FAULT,
            node,
            "armv6",
            f"{facts.model or 'this board'} has an ARMv6 processor: current Docker engines crash on it.",
            "Leave this node out; a Pi 2 or newer, or a Zero 2 W, works.",
        )
    if facts.arch not in SUPPORTED_ARCHITECTURES:
        return Finding(
            FAULT,
            node,
            "architecture",
            f"its userland is '{facts.arch or 'not Debian'}'; piswarm knows {', '.join(SUPPORTED_ARCHITECTURES)}.",
            "Flash it with Raspberry Pi OS, Debian or Ubuntu.",
        )
    return None


def _mixed_bits(node: str, facts: Facts) -> Finding | None:
    if facts.arch == "armhf" and facts.machine == "aarch64":
        return Finding(
            WARNING,
            node,
            "mixed-bits",
            "it runs a 32-bit system on a 64-bit kernel; Swarm itself would take it for arm64.",
            "Nothing to do: it is labelled armhf and gets 32-bit images only. A 64-bit card would be simpler.",
        )
    return None


def _system(node: str, facts: Facts) -> Finding | None:
    if facts.os_id not in {"debian", "raspbian", "ubuntu"}:
        return Finding(
            FAULT,
            node,
            "system",
            f"it runs {facts.os_name or 'an unknown system'}; piswarm needs one that is made of Debian packages.",
            "Flash it with Raspberry Pi OS, Debian or Ubuntu.",
        )
    if not facts.python:
        return Finding(
            FAULT,
            node,
            "python",
            "it has no python3, which Ansible needs.",
            "Run 'apt install python3' there.",
        )
    return None


def _memory_cgroup(node: str, facts: Facts) -> Finding | None:
    if facts.memory_cgroup:
        return None
    if facts.cmdline_file:
        return Finding(
            WARNING,
            node,
            "memory-cgroup",
            "its kernel does not account for memory, so limits of functions would be ignored.",
            f"init adds 'cgroup_enable=memory' to {facts.cmdline_file} and reboots it.",
        )
    return Finding(
        FAULT,
        node,
        "memory-cgroup",
        "its kernel does not account for memory, and the file with the kernel's command line was not found.",
        "Add 'cgroup_enable=memory' to the kernel's command line by hand and reboot it.",
    )


def _iptables(node: str, facts: Facts) -> Finding | None:
    if "legacy" in facts.iptables and _kernel_number(facts.kernel) >= (6, 18):
        return Finding(
            FAULT,
            node,
            "iptables-legacy",
            f"it uses {facts.iptables}, but kernel {facts.kernel} has no legacy tables any more.",
            "Run 'sudo update-alternatives --set iptables /usr/sbin/iptables-nft' there.",
        )
    return None


def _vxlan(node: str, facts: Facts) -> Finding | None:
    if facts.vxlan is False:
        return Finding(
            FAULT,
            node,
            "vxlan",
            f"kernel {facts.kernel} cannot make VXLAN links, which carry the traffic between nodes.",
            "Install the kernel's extra modules (on old Ubuntu: linux-modules-extra-raspi) and reboot it.",
        )
    return None


def _page_size(node: str, facts: Facts) -> Finding | None:
    if facts.page_size > 4096:
        return Finding(
            WARNING,
            node,
            "page-size",
            f"its kernel uses pages of {facts.page_size // 1024} KiB; images built with jemalloc abort on it.",
            "Add 'kernel=kernel8.img' to /boot/firmware/config.txt and reboot it, if you meet that.",
        )
    return None


def _clock(node: str, facts: Facts) -> Finding | None:
    if abs(facts.clock_offset_s) > MAX_CLOCK_OFFSET_S:
        return Finding(
            FAULT,
            node,
            "clock",
            f"its clock is {abs(facts.clock_offset_s):.0f} s {'ahead of' if facts.clock_offset_s > 0 else 'behind'} "
            "this computer's; certificates would not be valid there.",
            "Run 'sudo timedatectl set-ntp true' there, wait a minute, and try again.",
        )
    return None


def _disk(node: str, facts: Facts) -> Finding | None:
    if facts.disk_size_mb and facts.disk_free_mb < MIN_FREE_DISK_MB:
        return Finding(
            FAULT,
            node,
            "disk",
            f"only {facts.disk_free_mb} MiB are free on {facts.disk_device}; {MIN_FREE_DISK_MB} are needed.",
            "Free some ('sudo apt clean', 'docker system prune') or use a larger card.",
        )
    return None


def _memory(node: str, facts: Facts) -> Finding | None:
    if 0 < facts.memory_mb < MIN_MEMORY_MB:
        return Finding(
            WARNING,
            node,
            "memory",
            f"it has {facts.memory_mb} MiB of memory: enough for a function or two.",
            "Use it as a worker, not as a manager.",
        )
    return None


def _busy(node: str, facts: Facts) -> Finding | None:
    if facts.cloud_init == "running":
        return Finding(
            WARNING,
            node,
            "first-boot",
            "its first boot is still being set up (cloud-init).",
            "init waits for it.",
        )
    if facts.apt_locks:
        return Finding(
            WARNING,
            node,
            "apt-busy",
            "another package manager is at work there.",
            "init waits for it, 10 min at most.",
        )
    return None


def _power(node: str, facts: Facts) -> Finding | None:
    bits = max(facts.throttled, 0)
    now = [text for bit, text in _THROTTLED_NOW.items() if bits & (1 << bit)]
    if facts.undervoltage and "under-voltage" not in now:
        now.append("under-voltage")
    if now:
        return Finding(
            WARNING,
            node,
            "power",
            f"the board reports {', '.join(now)} right now.",
            "Use the board's own power supply and a short cable; see that it is cooled.",
        )
    if bits & _UNDERVOLTAGE_SINCE_BOOT:
        return Finding(
            WARNING,
            node,
            "power",
            "its voltage was too low at least once since it started.",
            "Use the board's own power supply and a short cable.",
        )
    return None


def _public_address(node: str, facts: Facts) -> Finding | None:
    for entry in facts.addresses:
        if entry.interface == facts.default_interface and ipaddress.ip_address(entry.address).is_global:
            return Finding(
                FAULT,
                node,
                "public-address",
                f"its address {entry.address} is a public one; Swarm's ports must not be open to the internet.",
                "Put it behind a router, or give it a private address.",
            )
    return None


def _wireless(node: str, facts: Facts) -> Finding | None:
    if facts.default_interface.startswith("wl"):
        return Finding(
            WARNING,
            node,
            "wifi",
            "it is on Wi-Fi, which drops multicast and now and then a heartbeat.",
            "Use a cable where you can, for managers above all.",
        )
    return None


CHECKS: tuple[_Check, ...] = (
    _sudo, _architecture, _mixed_bits, _system, _memory_cgroup, _iptables, _vxlan, _page_size, _clock,
    _disk, _memory, _busy, _power, _public_address, _wireless,
)  # fmt: skip


def _foreign_swarm(
    node: str, facts: Facts, cluster: str, swarm_id: str, members: Sequence[str]
) -> Finding | None:
    if facts.swarm.state == "inactive" or facts.swarm.node_id in members:
        return None
    marked = facts.marker.get("cluster")
    if marked == cluster and (not swarm_id or facts.swarm.cluster_id in {"", swarm_id}):
        return None
    whose = f"the cluster '{marked}'" if marked and marked != cluster else "another Swarm"
    return Finding(
        FAULT,
        node,
        "foreign-swarm",
        f"it is a member of {whose}.",
        "If that Swarm is not needed any more, run 'docker swarm leave --force' there, or leave this node out.",
    )


def _double_names(facts: Mapping[str, Facts]) -> list[Finding]:
    counts = Counter(one.hostname for one in facts.values())
    return [
        Finding(
            WARNING,
            node,
            "host-name",
            f"it is called '{one.hostname}', as {counts[one.hostname] - 1} other node(s).",
            f"init names it '{node}'.",
        )
        for node, one in facts.items()
        if counts[one.hostname] > 1 and one.hostname != node
    ]


def _double_machine_ids(facts: Mapping[str, Facts]) -> list[Finding]:
    counts = Counter(one.machine_id for one in facts.values() if one.machine_id)
    return [
        Finding(
            WARNING,
            node,
            "machine-id",
            "another node has the same machine ID: the cards were copied after the first boot.",
            "Run 'sudo rm /etc/machine-id && sudo systemd-machine-id-setup' there and reboot it.",
        )
        for node, one in facts.items()
        if counts[one.machine_id] > 1
    ]


def _summary(facts: Facts) -> str:
    board = facts.model or "board without a name"
    return f"{board}, {facts.arch}, {facts.memory_mb} MiB, {facts.os_name}"


def _kernel_number(release: str) -> tuple[int, int]:
    parts = release.split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (IndexError, ValueError):
        return 0, 0
