"""What stays the same while one command works on a cluster: the wishes, the folder, the trust, the login."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from piswarm.cluster import stack, trust
from piswarm.cluster.bases import MAIN, OPTIONS_FILE, OTHERS
from piswarm.cluster.connect import Login
from piswarm.cluster.images import DEFAULT_BASE, read_base
from piswarm.cluster.inventory import PLATFORMS, REGISTRY_HOST, write_file
from piswarm.cluster.provision import playbooks_digest
from piswarm.console import Console
from piswarm.errors import UsageError
from piswarm.secret import Secret
from piswarm.settings import Settings

_USUAL: dict[str, Any] = {
    "interfaces": (),
    "user": "pi",
    "docker_source": "docker",
    MAIN: DEFAULT_BASE,
    OTHERS: (),
    "image_arch": "",
    "gateway_image": "",
    "registry_image": "",
    "ca_bundle": None,
    "managers": 0,
}


@dataclass(frozen=True)
class InitOptions:
    """What the user asked of `piswarm init`.

    Attributes:
        cluster: name of the cluster.
        nodes: addresses or host names of nodes; empty to find them.
        interfaces: network interfaces to look on; empty for those of home networks.
        user: login user on the nodes; empty for the recorded one, or `pi`.
        password: SSH password, where known.
        sudo_password: sudo password, where it differs.
        managers: how many managers; 0 for the usual number.
        docker_source: `docker` or `distro`; empty for the recorded one, or `docker`.
        base_image: image reference or root file system archive that all images start from; empty for the
            recorded one, or Docker Hub's Debian.
        other_base_images: what functions for other architectures start from, as `ARCH=IMAGE`; where one is not named,
            the same reference.
        image_arch: architecture of the images (Debian's word); empty for the first manager's own.
        gateway_image: reference of a gateway image that is pulled; empty for the recorded one, or one that is
            built, as `build` says in any case.
        registry_image: the same for the registry.
        ca_bundle: a file of certificate authorities that the nodes are to trust, too.
        yes: do not ask before changing nodes.
        dry_run: show the plan and change nothing.
    """

    cluster: str
    nodes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    user: str = ""
    password: Secret | None = None
    sudo_password: Secret | None = None
    managers: int = 0
    docker_source: str = ""
    base_image: str = ""
    other_base_images: tuple[str, ...] = ()
    image_arch: str = ""
    gateway_image: str = ""
    registry_image: str = ""
    ca_bundle: Path | None = None
    yes: bool = False
    dry_run: bool = False

    def completed(self, settings: Settings) -> InitOptions:
        """Return the options with what was not said filled in: as the last time on this cluster, or as usual."""
        try:
            recorded = json.loads((settings.cluster_dir(self.cluster) / OPTIONS_FILE).read_text())
        except FileNotFoundError:
            recorded = {}
        said = {key: getattr(self, key) or recorded.get(key) or usual for key, usual in _USUAL.items()}
        said["interfaces"], said[OTHERS] = tuple(said["interfaces"]), tuple(said[OTHERS])
        said["ca_bundle"] = Path(said["ca_bundle"]) if said["ca_bundle"] else None
        return replace(self, **said)

    def record(self, directory: Path) -> None:
        """Keep what the next run on this cluster must not have to be told again; nothing secret is in it."""
        kept = {key: getattr(self, key) for key in _USUAL}
        write_file(directory / OPTIONS_FILE, json.dumps(kept, indent=2, default=str) + "\n")

    def check(self) -> None:
        """Refuse options that cannot be meant.

        Raises:
            UsageError: one of them is wrong; the message says which.
        """
        if self.image_arch and self.image_arch not in PLATFORMS:
            raise UsageError(
                f"'{self.image_arch}' is not an architecture of images.", f"Known: {', '.join(PLATFORMS)}."
            )
        if self.docker_source not in {"docker", "distro"}:
            raise UsageError(
                f"Docker cannot come from '{self.docker_source}'.",
                "Give --docker-source docker (Docker's own repository) or distro (the distribution's).",
            )
        if self.managers < 0:
            raise UsageError(
                "There cannot be fewer than one manager.", "Leave --managers out for the usual number."
            )
        if self.ca_bundle and not self.ca_bundle.is_file():
            raise UsageError(f"There is no file {self.ca_bundle}.", "Check the path given with --ca-bundle.")


@dataclass(frozen=True)
class Site:
    """A cluster's folder and trust, with the wishes of this run.

    Attributes:
        options: what the user asked.
        settings: the user's settings.
        directory: the cluster's folder.
        console: where to speak.
        login: how to log in; without a key until there is one that nodes can know.
        public_key: the cluster's public SSH key.
        credentials: users and passwords of the gateway and the registry.
        authority: the cluster's certificate authority.
    """

    options: InitOptions
    settings: Settings
    directory: Path
    console: Console
    login: Login
    public_key: str
    credentials: Mapping[str, Mapping[str, str]]
    authority: trust.KeyPair

    @property
    def login_with_key(self) -> Login:
        """Return the login for nodes that know the cluster's key."""
        return replace(self.login, key_file=self.directory / "id_ed25519", password=None)

    @property
    def machines_log(self) -> Path:
        """Return the file that keeps Ansible's own output."""
        return self.directory / "logs" / "machines.log"

    def ask_password(self) -> Secret:
        """Ask for the SSH password.

        Raises:
            UsageError: nobody can be asked.
        """
        question = f"Password of user '{self.options.user}' on the nodes"
        return self.console.ask_secret(question, flag="--password-file")

    def release_for(self, image_arch: str) -> stack.Release:
        """Return what is to run on the cluster with images of `image_arch`."""
        registry = trust.ensure_server_certificate(
            self.directory, "registry", self.authority, [REGISTRY_HOST]
        )
        base = read_base(self.options.base_image)
        prebuilt = {"gateway": self.options.gateway_image, "registry": self.options.registry_image}
        return stack.make_release(base, PLATFORMS[image_arch], self.credentials, registry, prebuilt)

    def recipe(self) -> str:
        """Return the digest of what provisioning makes of a node."""
        parts = (
            playbooks_digest().encode(),
            self.options.docker_source.encode(),
            self.authority.certificate,
            self.options.ca_bundle.read_bytes() if self.options.ca_bundle else b"",
        )
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _remove_unless_begun(directory: Path) -> None:
    """Remove the folder of a cluster whose nodes were never touched: then its options are not recorded."""
    if not (directory / OPTIONS_FILE).exists():
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def open_site(options: InitOptions, settings: Settings, console: Console) -> Iterator[Site]:
    """Give the cluster's folder with its key, authority and passwords.

    A dry run makes them elsewhere, and a new cluster that came to nothing leaves no folder behind.
    """
    with ExitStack() as cleanup:
        directory = settings.cluster_dir(options.cluster)
        if options.dry_run and not directory.exists():
            directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-dry-run-")))
        elif not directory.exists():
            cleanup.callback(_remove_unless_begun, directory)
        key = directory / "id_ed25519"
        login = Login(
            user=options.user,
            known_hosts_file=directory / "known_hosts",
            key_file=key if key.exists() else None,
            password=options.password,
            sudo_password=options.sudo_password or options.password,
        )
        yield Site(
            options,
            settings,
            directory,
            console,
            login,
            public_key=trust.ensure_ssh_key(directory, f"piswarm-{options.cluster}"),
            credentials=trust.ensure_credentials(directory),
            authority=trust.ensure_authority(directory, options.cluster),
        )
