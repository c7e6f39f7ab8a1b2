"""What goes into the images of the lab, as data: change it, and the images are made again."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from piswarm.lab.mirror import SUITE

LOGIN_USER = "pi"
LOGIN_PASSWORD = "raspberry"  # noqa: S105  (the simulated card's; as public as this lab is not)

BASE_PACKAGES = ("ca-certificates",)
NODE_PACKAGES = (
    "avahi-daemon",
    "curl",
    "dbus",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "libnss-mdns",
    "openssh-server",
    "passwd",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
)

_HERE = Path(__file__).parent
PREPARE = _HERE / "prepare"
ROOTFS = _HERE / "rootfs"


@dataclass(frozen=True)
class BaseRecipe:
    """The bare Debian under the node image, and under every image that a cluster builds.

    Attributes:
        architecture: in Debian's words: amd64, arm64 or armhf.
        sources: lines of its apt `sources.list`; empty when the base is pulled from a registry.
        packages: what is in it besides Debian's essential packages.
        suite: Debian's name of the release.
        dpkg_options: what dpkg leaves out, here and in everything made of it, as Debian's own slim images do.
        apt_options: the same for apt.
    """

    architecture: str
    sources: tuple[str, ...]
    packages: tuple[str, ...] = BASE_PACKAGES
    suite: str = SUITE
    dpkg_options: tuple[str, ...] = (
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright",
        "path-exclude=/usr/share/info/*",
        "path-exclude=/usr/share/locale/*",
        "path-exclude=/usr/share/man/*",
        "force-unsafe-io",
    )
    apt_options: tuple[str, ...] = ('Acquire::Languages "none"',)

    @property
    def digest(self) -> str:
        """Return 12 hex digits that change with the recipe."""
        lists = (self.sources, self.packages, self.dpkg_options, self.apt_options)
        return _digest([self.suite, self.architecture, *map(list, lists)])


@dataclass(frozen=True)
class NodeRecipe:
    """The image of a freshly flashed Pi, made inside a container of the base.

    Attributes:
        base: the digest of the base's recipe.
        files: content and mode by path in the image, without the leading slash.
        packages: Debian packages to install.
        prepare: the shell script that installs and configures.
    """

    base: str
    files: Mapping[str, tuple[bytes, int]]
    packages: tuple[str, ...] = NODE_PACKAGES
    prepare: bytes = field(default_factory=PREPARE.read_bytes)

    @property
    def digest(self) -> str:
        """Return 12 hex digits that change with the recipe."""
        files = [[path, _hex(content), mode] for path, (content, mode) in sorted(self.files.items())]
        return _digest([self.base, list(self.packages), _hex(self.prepare), files])


def node_files(authorities: Mapping[str, str]) -> dict[str, tuple[bytes, int]]:
    """Return the files of the node image: those of `rootfs/`, and this machine's own authorities."""
    own = {
        path.relative_to(ROOTFS).as_posix(): (path.read_bytes(), 0o755 if "sbin" in path.parts else 0o644)
        for path in sorted(ROOTFS.rglob("*"))
        if path.is_file()
    }
    trusted = {
        f"usr/local/share/ca-certificates/{name}": (certificate.encode(), 0o644)
        for name, certificate in authorities.items()
    }
    return own | trusted


def archive(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Return `files` (content and mode by path) as a tar archive whose owner is root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode) in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(document: object) -> str:
    return _hex(json.dumps(document).encode())[:12]
