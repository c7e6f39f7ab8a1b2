"""One simulated Pi: a container that boots like a freshly flashed board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.utils import version_gte

from piswarm.lab import engine
from piswarm.lab.names import LABEL, Lab
from piswarm.lab.recipe import archive

NODE_LABEL = f"{LABEL}.node"
CARD_HOSTNAME = "raspberrypi"

# Docker inside a node keeps its layers here: overlay file systems cannot be stacked on one another.
VOLUMES = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}

# systemd shuts down in order at this signal instead of being killed.
_STOP_SIGNAL = "SIGRTMIN+3"
# systemd 256 and later boot on the first version only when forced to. With its mixed layout, nodes would share the
# second hierarchy on machines that do not mount it, and remove one another's groups while services start.
# Source: systemd(1), kernel command line; systemd's NEWS for 256.
_CGROUP_V1_CMDLINE = "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 systemd.legacy_systemd_cgroup_controller=1"
_MAC_PER_NETWORK_SINCE = "1.44"


@dataclass(frozen=True)
class NodeSpec:
    """What one node is to be.

    Attributes:
        name: its name in the lab: pi1.
        hostname: the name that it gives itself.
        address: its fixed IPv4 address.
        mac: its MAC address.
        silent: whether it leaves out the workstation announcement, as images did before May 2025.
    """

    name: str
    hostname: str
    address: str
    mac: str
    silent: bool = False


@dataclass(frozen=True)
class Confinement:
    """How much of the machine a node may use.

    Attributes:
        privileged: whether the engine can give everything at once. It cannot where the kernel keeps a
            capability (CAP_SYS_RESOURCE) from root; all others are then given one by one.
        cgroup_v1: whether the machine's control groups are of the first version.
    """

    privileged: bool
    cgroup_v1: bool


def find_confinement(client: docker.DockerClient, image: Image, lab: Lab) -> Confinement:
    """Find out by trying once what the engine allows on this machine."""
    trial = client.containers.create(
        image, ["true"], privileged=True, network_mode="none", labels=lab.labels, entrypoint=[]
    )
    try:
        trial.start()
        privileged = True
    except APIError:
        privileged = False
    finally:
        trial.remove(force=True, v=True)
    return Confinement(privileged, engine.uses_cgroup_v1(client))


def host_config(confinement: Confinement, volumes: Mapping[str, str]) -> dict[str, Any]:
    """Return the part of a node's container that concerns this machine, in the words of Docker's API.

    Args:
        confinement: what the engine allows.
        volumes: path in the node by volume name.
    """
    common: dict[str, Any] = {
        "Binds": [f"{name}:{path}" for name, path in volumes.items()],
        "CgroupnsMode": "private",
        "RestartPolicy": {"Name": "unless-stopped"},  # `reboot` in a node brings it back, as on a board
        "Tmpfs": {"/run": "", "/run/lock": "", "/tmp": "exec"},  # noqa: S108  (in the node)
    }
    if confinement.privileged:
        return {**common, "Privileged": True}
    return {
        **common,
        "CapAdd": ["ALL"],
        "CapDrop": ["SYS_RESOURCE"],
        "DeviceCgroupRules": ["a *:* rwm"],
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    }


def environment(confinement: Confinement, spec: NodeSpec) -> dict[str, str]:
    """Return the environment of a node's first process."""
    found = {"container": "docker"}
    if confinement.cgroup_v1:
        found["SYSTEMD_PROC_CMDLINE"] = _CGROUP_V1_CMDLINE
    if spec.silent:
        found["SILENT"] = "yes"
    return found


def first_boot_files(spec: NodeSpec, name_servers: list[str]) -> dict[str, tuple[bytes, int]]:
    """Return what the node finds on its disk at its first boot, by path."""
    texts = {
        "hostname": f"{spec.hostname}\n",
        "hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t{spec.hostname}\n",
        "resolv.conf": "".join(f"nameserver {server}\n" for server in name_servers),
    }
    return {f"etc/first-boot/etc/{name}": (text.encode(), 0o644) for name, text in texts.items() if text}


@dataclass(frozen=True)
class NodeMaker:
    """Makes the nodes of one lab.

    Attributes:
        client: the engine.
        lab: the lab that they belong to; its network is there.
        image: what they boot from.
        confinement: what the engine allows.
        name_servers: what they ask for names.
    """

    client: docker.DockerClient
    lab: Lab
    image: Image
    confinement: Confinement
    name_servers: list[str]

    def ensure(self, spec: NodeSpec) -> Container:
        """Return the node's container, started; make it if it is not there.

        Raises:
            LabError: the engine refuses.
        """
        with engine.telling(f"Node {spec.name} could not be started"):
            try:
                container = self.client.containers.get(self.lab.container_name(spec.name))
            except NotFound:
                container = self._create(spec)
            container.start()
            return container

    def _create(self, spec: NodeSpec) -> Container:
        name = self.lab.container_name(spec.name)
        volumes = {f"{name}-{volume}": path for volume, path in VOLUMES.items()}
        for volume in volumes:
            self.client.volumes.create(volume, labels=self.lab.labels)
        config = self._config(spec, volumes)
        created = self.client.api.create_container_from_config(config, name)
        container = self.client.containers.get(created["Id"])
        container.put_archive("/", archive(first_boot_files(spec, self.name_servers)))
        return container

    def _config(self, spec: NodeSpec, volumes: Mapping[str, str]) -> dict[str, Any]:
        endpoint: dict[str, Any] = {"IPAMConfig": {"IPv4Address": spec.address}}
        config: dict[str, Any] = {
            "Image": self.image.id,
            "Hostname": spec.hostname,
            "Env": [f"{key}={value}" for key, value in environment(self.confinement, spec).items()],
            "Labels": {**self.lab.labels, NODE_LABEL: spec.name},
            "StopSignal": _STOP_SIGNAL,
            "HostConfig": {**host_config(self.confinement, volumes), "NetworkMode": self.lab.interface},
            "NetworkingConfig": {"EndpointsConfig": {self.lab.interface: endpoint}},
        }
        mac_per_network = version_gte(self.client.api.api_version, _MAC_PER_NETWORK_SINCE)
        (endpoint if mac_per_network else config)["MacAddress"] = spec.mac
        return config
