"""The cluster's record on the user's disk.

In `<home>/clusters/<name>/`:

| file               | what it holds                                                      |
|--------------------|--------------------------------------------------------------------|
| `inventory.yml`    | nodes and addresses, in Ansible's YAML format, for `ansible -i`    |
| `credentials.json` | passwords of the gateway and the registry (0600)                   |
| `id_ed25519`       | the key that opens the nodes (0600)                                |
| `known_hosts`      | the nodes' host keys, as first seen                                |
| `ca.crt`, `ca.key` | the cluster's own certificate authority (the key 0600)             |
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from piswarm.errors import ConfigError
from piswarm.secret import Secret
from piswarm.settings import Settings

REGISTRY_HOST = "registry.piswarm.internal"
REGISTRY = f"{REGISTRY_HOST}:5000"
BASE_IMAGE = f"{REGISTRY}/piswarm/base:trixie"
GATEWAY_PORT = 8080
DISPOSABLE = "piswarm.disposable=true"
"""The label of images that any node may remove, as the registry has them; the playbook's role `tidy` does."""
STATE_DIR = "/var/lib/piswarm"
BUILD_SLICE = "piswarm.slice"
"""The control group on each node that bounds builds; the playbook's role `builds` makes it."""
PLATFORMS = {"armhf": "linux/arm/v7", "arm64": "linux/arm64", "amd64": "linux/amd64"}

_NODE_VARIABLES = ("address", "role", "arch", "model", "memory_mb")


@dataclass(frozen=True)
class NodeRecord:
    """A node as the record knows it.

    Attributes:
        name: host name, unique in the cluster.
        address: IP address on the interface that the other nodes reach.
        role: `manager` or `worker`.
        arch: architecture of the userland, in Debian's words: `armhf`, `arm64` or `amd64`.
        model: the board's model, as its device tree says.
        memory_mb: memory in MiB.
    """

    name: str
    address: str
    role: str
    arch: str = ""
    model: str = ""
    memory_mb: int = 0


@dataclass(frozen=True)
class Cluster:
    """A cluster that `piswarm init` made.

    Attributes:
        name: the cluster's name.
        directory: folder of its record.
        user: login user on the nodes.
        nodes: its nodes; the first manager builds images and holds the registry.
        image_arch: architecture of the images that are built, in Debian's words.
    """

    name: str
    directory: Path
    user: str
    nodes: tuple[NodeRecord, ...]
    image_arch: str = "arm64"

    @property
    def managers(self) -> tuple[NodeRecord, ...]:
        """Return the nodes that are managers."""
        return tuple(node for node in self.nodes if node.role == "manager")

    @property
    def manager(self) -> NodeRecord:
        """Return the manager that builds images and holds the registry.

        Raises:
            ConfigError: the record names no manager.
        """
        if not self.managers:
            raise ConfigError(
                f"The record of cluster '{self.name}' names no manager.",
                "Run 'piswarm init' again to write it anew.",
            )
        return self.managers[0]

    @property
    def platform(self) -> str:
        """Return the platform of the images that are built, in Docker's words."""
        return PLATFORMS[self.image_arch]

    @property
    def key_file(self) -> Path:
        """Return the private key that opens the nodes."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts_file(self) -> Path:
        """Return the file of the nodes' pinned host keys."""
        return self.directory / "known_hosts"

    @property
    def ca_file(self) -> Path:
        """Return the certificate of the cluster's own authority."""
        return self.directory / "ca.crt"

    @property
    def gateway_url(self) -> str:
        """Return the address of the gateway, without a slash at the end."""
        return f"http://{self.manager.address}:{GATEWAY_PORT}"

    @property
    def gateway_credentials(self) -> tuple[str, Secret]:
        """Return the user and the password of the gateway."""
        return self._credentials("gateway")

    @property
    def registry_credentials(self) -> tuple[str, Secret]:
        """Return the user and the password of the registry."""
        return self._credentials("registry")

    def node(self, name: str) -> NodeRecord:
        """Return the node called `name`.

        Raises:
            ConfigError: the cluster has no such node.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise ConfigError(f"Cluster '{self.name}' has no node '{name}'.", f"Its nodes are: {known}.")

    def _credentials(self, service: str) -> tuple[str, Secret]:
        path = self.directory / "credentials.json"
        try:
            entry = json.loads(path.read_text())[service]
            return entry["user"], Secret(entry["password"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"The credentials of cluster '{self.name}' cannot be read from {path} ({error}).",
                "Run 'piswarm init' again to write them anew.",
            ) from error


def load_cluster(settings: Settings, chosen: str = "") -> Cluster:
    """Read the record of a cluster.

    Args:
        settings: the user's settings.
        chosen: name of the cluster; empty for the one used last.

    Raises:
        ConfigError: there is no such cluster, or its record cannot be read.
    """
    name = chosen or settings.chosen_cluster or current_cluster(settings)
    known = settings.known_clusters()
    if not name:
        raise ConfigError("There is no cluster yet.", "Make one with 'piswarm init'.")
    if name not in known:
        hint = f"Known clusters: {', '.join(known)}." if known else "Make one with 'piswarm init'."
        raise ConfigError(f"There is no cluster '{name}'.", hint)
    return read_inventory(name, settings.cluster_dir(name))


def current_cluster(settings: Settings) -> str:
    """Return the name of the cluster used last, or of the only one, or an empty string."""
    known = settings.known_clusters()
    try:
        name = settings.current_file.read_text().strip()
    except FileNotFoundError:
        name = ""
    if name in known:
        return name
    return known[0] if len(known) == 1 else ""


def read_inventory(name: str, directory: Path) -> Cluster:
    """Read the inventory of cluster `name` from its `directory`.

    Raises:
        ConfigError: the file is not an inventory that piswarm wrote.
    """
    path = directory / "inventory.yml"
    try:
        document = yaml.safe_load(path.read_text())
        everything = document["all"]
        hosts = everything["hosts"]
        user = everything["vars"]["ansible_user"]
        image_arch = everything["vars"]["piswarm_image_arch"]
        nodes = tuple(
            NodeRecord(
                name=host,
                address=values["ansible_host"],
                role=values["piswarm_role"],
                arch=values.get("piswarm_arch", ""),
                model=values.get("piswarm_model", ""),
                memory_mb=int(values.get("piswarm_memory_mb", 0)),
            )
            for host, values in hosts.items()
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{path} is not an inventory that piswarm can read ({error}).",
            "Run 'piswarm init' again: it observes the nodes and writes the record anew.",
        ) from error
    return Cluster(name, directory, user, nodes, image_arch)


def inventory_document(cluster: Cluster) -> dict[str, Any]:
    """Return `cluster` as an Ansible inventory; it holds no secrets."""
    return {
        "all": {
            "vars": {
                "ansible_user": cluster.user,
                "piswarm_image_arch": cluster.image_arch,
                "ansible_ssh_private_key_file": str(cluster.key_file),
                "ansible_ssh_common_args": (
                    f"-o UserKnownHostsFile={cluster.known_hosts_file} -o StrictHostKeyChecking=yes"
                    " -o IdentitiesOnly=yes"
                ),
            },
            "hosts": {
                node.name: {
                    "ansible_host": node.address,
                    **{f"piswarm_{key}": getattr(node, key) for key in _NODE_VARIABLES if key != "address"},
                }
                for node in cluster.nodes
            },
            "children": {
                "managers": {"hosts": {node.name: {} for node in cluster.managers}},
                "workers": {"hosts": {node.name: {} for node in cluster.nodes if node.role != "manager"}},
            },
        }
    }


def save_cluster(settings: Settings, cluster: Cluster) -> bool:
    """Write the record of `cluster` and make it the current one.

    Returns:
        Whether the record on disk changed.
    """
    text = "# Written by 'piswarm init'; usable with 'ansible -i'.\n" + yaml.safe_dump(
        inventory_document(cluster), sort_keys=False
    )
    changed = write_file(cluster.directory / "inventory.yml", text)
    return write_file(settings.current_file, cluster.name + "\n") or changed


def write_file(path: Path, content: str | bytes, mode: int = 0o644) -> bool:
    """Write a file atomically, in a folder that only its owner can enter.

    Returns:
        Whether the content changed.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.read_bytes() == data:
        path.chmod(mode)
        return False
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True
