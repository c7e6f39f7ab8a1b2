"""What one node's facts say: what stands in the way of its being part of a cluster, and what to do about it.

Pure: facts in, findings out. Each check is one function.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from piswarm.cluster.facts import Address, Facts
from piswarm.cluster.finding import FAULT, OK, WARNING, Finding

MAX_CLOCK_OFFSET_S = 10
MIN_FREE_DISK_MB = 2048
MIN_MEMORY_MB = 400
# What ansible-core 2.20 asks of nodes: https://docs.ansible.com/ansible/latest/reference_appendices/
MIN_PYTHON = (3, 9)
SUPPORTED_ARCHITECTURES = ("armhf", "arm64", "amd64")

# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
_THROTTLED_NOW = {0: "under-voltage", 1: "a capped clock", 2: "throttling", 3: "too high a temperature"}
_UNDERVOLTAGE_SINCE_BOOT = 1 << 16
_MODULES_REMEDY = {
    True: "Reboot it: it was updated, and the modules of the kernel that still runs are gone.",
    False: "Install the kernel's extra modules (on old Ubuntu: linux-modules-extra-raspi) and reboot it.",
}

_Check = Callable[[str, Facts], Finding | None]


def check_node(node: str, facts: Facts) -> list[Finding]:
    """Check what one node's facts can show; a node with nothing to say gives one `ok` finding."""
    findings = [found for check in CHECKS if (found := check(node, facts))]
    return findings or [Finding(OK, node, "node", _summary(facts))]


def check_manager(node: str, facts: Facts) -> list[Finding]:
    """Check what matters only for a node that is, or is to be, a manager."""
    leased = [one for one in main_addresses(facts) if one.dhcp]
    return [
        Finding(
            WARNING,
            node,
            "dhcp",
            f"its address {one.address} is leased, and the Swarm would lose a manager whose address changes.",
            f"Reserve it in your router: {one.address} for MAC address {facts.mac}.",
        )
        for one in leased[:1]
    ]


def main_addresses(facts: Facts) -> list[Address]:
    """Return the node's addresses on the interface of its default route; all where there is no such route."""
    main = [one for one in facts.addresses if one.interface == facts.default_interface]
    return main or list(facts.addresses)


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
    return None


def _python(node: str, facts: Facts) -> Finding | None:
    if not facts.python:
        return Finding(
            FAULT,
            node,
            "python",
            "it has no python3, which Ansible needs.",
            "Run 'sudo apt install python3' there.",
        )
    if _numbers(facts.python) < MIN_PYTHON:
        return Finding(
            FAULT,
            node,
            "python",
            f"{facts.os_name} has Python {facts.python}; Ansible needs {'.'.join(map(str, MIN_PYTHON))} or newer.",
            "Flash it with a current system.",
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
    if "legacy" in facts.iptables and _numbers(facts.kernel) >= (6, 18):
        return Finding(
            FAULT,
            node,
            "iptables-legacy",
            f"it uses {facts.iptables}, but kernel {facts.kernel} has no legacy tables any more.",
            "Run 'sudo update-alternatives --set iptables /usr/sbin/iptables-nft' there.",
        )
    if facts.has_root and facts.iptables and "nat" not in facts.iptables_tables:
        return Finding(
            FAULT,
            node,
            "iptables-nat",
            f"kernel {facts.kernel} gives {facts.iptables} no table 'nat', without which Docker has no network.",
            _MODULES_REMEDY[facts.reboot_required],
        )
    return None


def _vxlan(node: str, facts: Facts) -> Finding | None:
    if facts.vxlan is False:
        return Finding(
            FAULT,
            node,
            "vxlan",
            f"kernel {facts.kernel} cannot make VXLAN links, which carry the traffic between nodes.",
            _MODULES_REMEDY[facts.reboot_required],
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
            f"its clock is {_duration(abs(facts.clock_offset_s))} "
            f"{'ahead of' if facts.clock_offset_s > 0 else 'behind'} this computer's; "
            "certificates would not be valid there.",
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


def _address(node: str, facts: Facts) -> Finding | None:
    own = [ipaddress.ip_address(one.address) for one in main_addresses(facts)]
    if own and all(one.is_link_local for one in own):
        return Finding(
            FAULT,
            node,
            "link-local",
            f"its address {own[0]} is one that it gave itself, because no router gave it any.",
            "Check its cable or Wi-Fi and the router's DHCP, then reboot it.",
        )
    for one in own:
        if one.is_global:
            return Finding(
                FAULT,
                node,
                "public-address",
                f"its address {one} is a public one; Swarm's ports must not be open to the internet.",
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


def _reboot(node: str, facts: Facts) -> Finding | None:
    if facts.reboot_required:
        return Finding(
            WARNING,
            node,
            "reboot",
            "it was updated and waits for a reboot.",
            "Run 'sudo reboot' there when it suits.",
        )
    return None


def _swarm_state(node: str, facts: Facts) -> Finding | None:
    swarm, own = facts.swarm, [one.address for one in facts.addresses]
    if swarm.state != "inactive" and swarm.address and own and swarm.address not in own:
        return Finding(
            FAULT,
            node,
            "address-changed",
            f"its Swarm knows it at {swarm.address}, but its address is {main_addresses(facts)[0].address} now.",
            f"Reserve {swarm.address} for MAC address {facts.mac} in your router and reboot it.",
        )
    if swarm.state in {"error", "locked"}:
        return Finding(
            FAULT,
            node,
            "swarm-state",
            f"its engine cannot take part in its Swarm (state '{swarm.state}').",
            "See 'journalctl -u docker' there; 'docker swarm unlock' opens a locked one.",
        )
    return None


CHECKS: tuple[_Check, ...] = (
    _sudo, _architecture, _mixed_bits, _system, _python, _memory_cgroup, _iptables, _vxlan, _page_size,
    _clock, _disk, _memory, _busy, _reboot, _power, _address, _wireless, _swarm_state,
)  # fmt: skip


def _summary(facts: Facts) -> str:
    board = facts.model or "board without a name"
    return f"{board}, {facts.arch}, {facts.memory_mb} MiB, {facts.os_name}"


def _duration(seconds: float) -> str:
    for unit, length_s in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, so that versions can be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
