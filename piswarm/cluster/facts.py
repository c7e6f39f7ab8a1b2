"""What a node is: the facts that the probe brings home, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from cryptography import x509

from piswarm.errors import ProvisionError


@dataclass(frozen=True)
class Address:
    """An IPv4 address of a node.

    Attributes:
        interface: name of the network interface.
        address: the address.
        prefix: length of the network's prefix, in bits.
        dhcp: whether it was leased.
    """

    interface: str
    address: str
    prefix: int
    dhcp: bool


@dataclass(frozen=True)
class SwarmFacts:
    """A node's own view of its Swarm.

    Attributes:
        state: `inactive`, `pending`, `active`, `error` or `locked`, as the engine says.
        node_id: ID in the Swarm.
        cluster_id: ID of the Swarm; only managers know it.
        is_manager: whether the node controls the Swarm.
        address: the address that it advertises.
        managers: addresses of the managers that it knows.
    """

    state: str = "inactive"
    node_id: str = ""
    cluster_id: str = ""
    is_manager: bool = False
    address: str = ""
    managers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What one probe saw on one node.

    Attributes:
        hostname: host name.
        machine_id: systemd's machine ID.
        mac: MAC address of the interface with the default route.
        model: board model.
        revision: board revision code.
        memory_mb: memory in MiB.
        arch: Debian's name of the userland's architecture.
        machine: the kernel's name of the architecture.
        kernel: kernel release.
        page_size: memory page in bytes.
        os_id: `debian`, `raspbian`, `ubuntu`, …
        os_version: number of the release, for example `13`.
        os_codename: name of the release, for example `trixie`.
        os_name: name of the release for people.
        python: version of python3, or an empty string.
        cmdline_file: the file that holds the kernel's command line, if any.
        cmdline: its content.
        memory_cgroup: whether the kernel can limit memory.
        iptables: what `iptables -V` says.
        iptables_tables: the tables that can be read.
        vxlan: whether a VXLAN link can be made; None where root was not to be had.
        docker_version: version of the running engine, or an empty string.
        docker_package: Debian package that it came from.
        swarm: the engine's view of its Swarm.
        groups: groups of the login user.
        addresses: IPv4 addresses.
        default_interface: interface of the default route, if any.
        clock_offset_s: the node's clock minus ours, in seconds.
        ntp_synchronized: whether the clock is kept by NTP.
        ntp_available: whether something is installed that can keep it.
        ntp_enabled: whether that is switched on.
        disk_device: device that holds /var/lib.
        disk_size_mb: its size in MiB.
        disk_free_mb: free space on it in MiB.
        apt_locks: package manager locks that are held.
        cloud_init: status of cloud-init, if it is there.
        throttled: `vcgencmd get_throttled`; -1 where it cannot be asked.
        undervoltage: whether the voltage sensor raises its alarm.
        reboot_required: whether the system asks for a reboot.
        sudo: `root`, `free`, `password`, `asks`, `wrong`, `denied` or `missing`.
        certificate_until: when the node's Swarm certificate ends, in seconds since 1970; 0 where not known.
        marker: what piswarm wrote on the node when it was last provisioned.
    """

    hostname: str
    machine_id: str = ""
    mac: str = ""
    model: str = ""
    revision: str = ""
    memory_mb: int = 0
    arch: str = ""
    machine: str = ""
    kernel: str = ""
    page_size: int = 4096
    os_id: str = ""
    os_version: str = ""
    os_codename: str = ""
    os_name: str = ""
    python: str = ""
    cmdline_file: str = ""
    cmdline: str = ""
    memory_cgroup: bool = True
    iptables: str = ""
    iptables_tables: tuple[str, ...] = ()
    vxlan: bool | None = None
    docker_version: str = ""
    docker_package: str = ""
    swarm: SwarmFacts = field(default_factory=SwarmFacts)
    groups: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    default_interface: str = ""
    clock_offset_s: float = 0.0
    ntp_synchronized: bool = True
    ntp_available: bool = True
    ntp_enabled: bool = True
    disk_device: str = ""
    disk_size_mb: int = 0
    disk_free_mb: int = 0
    apt_locks: tuple[str, ...] = ()
    cloud_init: str = ""
    throttled: int = -1
    undervoltage: bool = False
    reboot_required: bool = False
    sudo: str = ""
    certificate_until: int = 0
    marker: dict[str, Any] = field(default_factory=dict)

    @property
    def has_root(self) -> bool:
        """Return whether commands can be run as root with what we know."""
        return self.sudo in {"root", "free", "password"}

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Facts:
        """Return the facts that `to_dict` gave."""
        known = {one.name for one in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in data.items()
            if key in known
        }
        values["addresses"] = tuple(Address(**entry) for entry in data.get("addresses", ()))
        swarm = dict(data.get("swarm", {}))
        values["swarm"] = SwarmFacts(**{**swarm, "managers": tuple(swarm.get("managers", ()))})
        return cls(**values)


def read_probe(output: str, *, our_time: float) -> Facts:
    """Turn the probe's output into facts.

    Args:
        output: what `probe.sh` printed.
        our_time: our clock when the probe's answer came, in seconds since 1970.

    Raises:
        ProvisionError: the output is cut off or is not a probe's.
    """
    single, several = _lines(output)
    if single.get("end") != "yes":
        raise ProvisionError("the probe's answer is cut off", "Is /bin/sh there a POSIX shell? Try again.")
    node_time = _number(single.get("time", ""))
    route = single.get("default_route", "").split()
    return Facts(
        hostname=single.get("hostname", ""),
        machine_id=single.get("machine_id", ""),
        mac=single.get("mac", ""),
        model=single.get("model", ""),
        revision=single.get("revision", ""),
        memory_mb=_number(single.get("memory_kb", "")) // 1024,
        arch=single.get("arch", ""),
        machine=single.get("machine", ""),
        kernel=single.get("kernel", ""),
        page_size=_number(single.get("page_size", "")) or 4096,
        os_id=single.get("os_id", ""),
        os_version=single.get("os_version_id", ""),
        os_codename=single.get("os_version_codename", ""),
        os_name=single.get("os_pretty_name", ""),
        python=single.get("python", ""),
        cmdline_file=single.get("cmdline_file", ""),
        cmdline=single.get("cmdline", ""),
        memory_cgroup=single.get("memory_cgroup") == "yes",
        iptables=single.get("iptables", ""),
        iptables_tables=tuple(several.get("iptables_table", ())),
        vxlan={"yes": True, "no": False}.get(single.get("vxlan", "")),
        docker_version=single.get("docker_version", ""),
        docker_package=single.get("docker_package", ""),
        swarm=_swarm(single.get("swarm", "")),
        groups=tuple(single.get("groups", "").split()),
        addresses=tuple(_address(line) for line in several.get("address", ())),
        default_interface=route[route.index("dev") + 1] if "dev" in route else "",
        clock_offset_s=round(node_time - our_time, 1) if node_time else 0.0,
        ntp_synchronized=single.get("ntp") == "yes",
        ntp_available=single.get("ntp_available") == "yes",
        ntp_enabled=single.get("ntp_enabled") == "yes",
        disk_device=single.get("disk_device", ""),
        disk_size_mb=_number(single.get("disk_size_kb", "")) // 1024,
        disk_free_mb=_number(single.get("disk_free_kb", "")) // 1024,
        apt_locks=tuple(several.get("apt_lock", ())),
        cloud_init=single.get("cloud_init", ""),
        throttled=int(single["throttled"], 16) if single.get("throttled", "").startswith("0x") else -1,
        undervoltage=single.get("undervoltage") == "1",
        reboot_required=single.get("reboot_required") == "yes",
        sudo=single.get("sudo", ""),
        certificate_until=_certificate_end(single.get("swarm_certificate", "")),
        marker=_json_object(single.get("cluster_marker", "")),
    )


def _lines(output: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            single[key] = value.strip()
            several.setdefault(key, []).append(value.strip())
    return single, several


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _address(line: str) -> Address:
    interface, cidr, how = line.split()
    address, _, prefix = cidr.partition("/")
    return Address(interface, address, _number(prefix) or 32, how == "dhcp")


def _swarm(text: str) -> SwarmFacts:
    info = _json_object(text)
    if not info:
        return SwarmFacts()
    return SwarmFacts(
        state=info.get("LocalNodeState", "inactive"),
        node_id=info.get("NodeID", ""),
        cluster_id=(info.get("Cluster") or {}).get("ID", ""),
        is_manager=bool(info.get("ControlAvailable")),
        address=info.get("NodeAddr", ""),
        managers=tuple(entry["Addr"] for entry in info.get("RemoteManagers") or ()),
    )


def _certificate_end(text: str) -> int:
    try:
        certificate = x509.load_pem_x509_certificate(text.replace("|", "\n").encode())
    except ValueError:  # there is none, or it is just being written
        return 0
    return int(certificate.not_valid_after_utc.timestamp())


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
