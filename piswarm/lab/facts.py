"""What `piswarm init --lab` must be told about a lab; everything else it finds out as on real boards."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from piswarm.console import Console
from piswarm.errors import LabError, UsageError
from piswarm.lab import engine
from piswarm.lab.certificates import bundle_path
from piswarm.lab.emulation import armhf_emulation
from piswarm.lab.image import ensure_base
from piswarm.lab.names import Lab
from piswarm.lab.network import find_network, subnet_of
from piswarm.lab.recipe import LOGIN_PASSWORD, LOGIN_USER
from piswarm.secret import Secret
from piswarm.settings import Settings

_ARCHITECTURES = ("amd64", "arm64", "armhf")


@dataclass(frozen=True)
class LabFacts:
    """The lab's answers to what `init` would ask a person.

    Attributes:
        cluster: the name of the cluster that lives on the lab.
        interface: the network interface to look for nodes on.
        subnet: the addresses on it.
        user: the user made when the cards were flashed.
        password: that user's password, for SSH and for sudo.
        base_image: the bare Debian to build from: an archive's path or an image's reference.
        ca_bundle: this machine's trusted authorities; None when it has no such file.
    """

    cluster: str
    interface: str
    subnet: IPv4Network
    user: str
    password: Secret
    base_image: str
    ca_bundle: Path | None


def read_facts(settings: Settings, console: Console, lab: Lab | None = None) -> LabFacts:
    """Return the facts of a lab that is up (default: the one that `PISWARM_LAB` names).

    Raises:
        LabError: the lab is down.
    """
    chosen = lab or Lab.from_environment()
    client = engine.connect()
    network = find_network(client, chosen)
    if network is None:
        raise LabError(f"The lab '{chosen.name}' is down.", "Bring it up: piswarm lab up --nodes 3")
    bundle = bundle_path()
    return LabFacts(
        cluster=chosen.name,
        interface=chosen.interface,
        subnet=subnet_of(network),
        user=LOGIN_USER,
        password=Secret(LOGIN_PASSWORD),
        base_image=ensure_base(client, lab_cache(settings), console.progress).source,
        ca_bundle=bundle if bundle.is_file() else None,
    )


def read_base(settings: Settings, console: Console, architecture: str = "") -> str:
    """Return the bare Debian of an architecture (default: the engine's), as `init --base-image` takes it.

    Raises:
        UsageError: there is no such architecture.
        LabError: it could not be made.
    """
    if architecture not in {"", *_ARCHITECTURES}:
        raise UsageError(f"'{architecture}' is no architecture.", f"There is: {', '.join(_ARCHITECTURES)}.")
    client = engine.connect()
    with armhf_emulation() if architecture == "armhf" else nullcontext():
        return ensure_base(client, lab_cache(settings), console.progress, architecture).source


def lab_cache(settings: Settings) -> Path:
    """Return the folder of what labs can make again."""
    return settings.cache / "lab"


def known_hosts_file(lab: Lab, settings: Settings) -> Path:
    """Return the file of the host keys that `piswarm lab ssh` has seen."""
    return lab_cache(settings) / f"known_hosts-{lab.name}"
