"""The images that the cluster itself needs, built on the manager from one Debian base."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from piswarm.cluster.connect import Connection, quote
from piswarm.cluster.inventory import BASE_IMAGE, BUILD_SLICE, REGISTRY, STATE_DIR
from piswarm.cluster.shell import Shell
from piswarm.errors import BuildError, ConfigError
from piswarm.settings import PACKAGE, STACKS

BUILD_TIMEOUT_S = 3600.0
PUSH_TIMEOUT_S = 1800.0
DEFAULT_BASE = "debian:trixie-slim"
BUILT_HERE = "build"
"""In place of a prebuilt image's reference: build it."""
_ENTRYPOINT = "/usr/lib/piswarm/start"
"""What the images start that may be pulled instead of built."""

_BUILD_STEP = re.compile(r"^#\d+ \[\S*\s?\d+/\d+\] (?P<text>.+)$")
# What a step printed, or the engine's own word; not the Dockerfile that BuildKit repeats at the end.
_BUILD_OUTPUT = re.compile(r"^(?:#\d+ \d+\.\d+ |ERROR: |Error response from daemon: )(?P<text>.*\S)")
_LINES_KEPT = 12
_RETRY_AFTER_S = 10
_TAR_MAGIC = (b"\x1f\x8b", b"\xfd7zXZ", b"BZh")
# What each image takes from the package beside its folder in stacks/images.
_DEPLOYER = "deployer"
_OF_EVERY_CLUSTER = ("gateway", "python3", "registry")
_PACKAGE_PARTS = {
    _DEPLOYER: (
        "__init__.py",
        "console.py",
        "errors.py",
        "secret.py",
        "settings.py",
        "deployer",
        "functions",
        "cluster/__init__.py",
        "cluster/engine_errors.py",
        "cluster/inventory.py",
        "cluster/manifests.py",
        "cluster/older_images.py",
        "cluster/registry.py",
        "cluster/shell.py",
        "gateway/__init__.py",
        "gateway/delivery.py",
        "gateway/deployer_job.py",
        "gateway/signatures.py",
    ),
    "gateway": ("__init__.py", "errors.py", "gateway"),
    "python3": ("__init__.py", "runtime"),
    "registry": (),
}


@dataclass(frozen=True)
class Image:
    """An image that is built from a folder of this package, or made elsewhere and pulled.

    Attributes:
        name: its name, one of `registry`, `gateway`, `python3`, `deployer`.
        context: the build context, a gzipped tar archive; empty for one that is pulled.
        reference: its name and tag in the cluster's registry; the tag is a digest of all that makes it, or of the
            reference that it is pulled by.
        arguments: build arguments besides the base.
        prebuilt: the reference that it is pulled by; empty for one that is built.
    """

    name: str
    context: bytes
    reference: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    prebuilt: str = ""


@dataclass(frozen=True)
class Base:
    """What all images start from.

    Attributes:
        archive: a root file system as a tar archive; None where an image reference is used.
        source: the image reference; empty where an archive is used.
        digest: tells one base from another.
    """

    archive: Path | None
    source: str
    digest: str


def read_base(base: str) -> Base:
    """Return the base image named by a reference or by the path of an archive.

    Raises:
        ConfigError: it looks like a path, but there is no such archive.
    """
    path = Path(base).expanduser()
    if path.is_file():
        if not _is_archive(path):
            raise ConfigError(
                f"{path} is not a tar archive.", "Give a root file system as made by mmdebstrap."
            )
        with path.open("rb") as file:
            return Base(path, "", hashlib.file_digest(file, "sha256").hexdigest()[:12])
    if "/" in base and (base.startswith(("/", ".", "~")) or base.endswith((".tar", ".tar.gz"))):
        raise ConfigError(
            f"There is no base image archive {path}.", "Check the path given with --base-image."
        )
    return Base(None, base, hashlib.sha256(base.encode()).hexdigest()[:12])


def cluster_images(base: Base, prebuilt: Mapping[str, str] | None = None) -> dict[str, Image]:
    """Return the images that every cluster needs, by name.

    Args:
        base: what those start from that are built.
        prebuilt: references of those that are pulled instead, by name.
    """
    elsewhere = {name: one for name, one in (prebuilt or {}).items() if one not in ("", BUILT_HERE)}
    return {
        name: _prebuilt(name, elsewhere[name]) if name in elsewhere else _image(name, base.digest)
        for name in _OF_EVERY_CLUSTER
    }


def deployer_image(base_digest: str, user: str, group: str) -> Image:
    """Return the image that deploys functions from the node that builds.

    Args:
        base_digest: tells one base from another.
        user: id of the user who owns piswarm's state on that node.
        group: id of the group that may use the engine there.
    """
    return _image(_DEPLOYER, base_digest, {"USER_ID": user, "GROUP_ID": group})


def make_base(connection: Connection, base: Base, platform: str, on_line: Callable[[str], None]) -> None:
    """Have the base image on the manager under its name in the cluster's registry.

    Raises:
        BuildError: it could not be made.
        ConnectError: the connection broke.
    """
    if _base_digest(connection) == base.digest:
        return
    if base.archive is None:
        _pull(connection, base.source, platform, on_line, "the base image")
        _tag(connection, base.source, BASE_IMAGE)
        return
    remote = f"{STATE_DIR}/build/rootfs.tar"
    connection.put_file(base.archive, remote, 0o640)
    # Docker unpacks an archive that is ADDed; `docker import` would not record the architecture.
    dockerfile = f'FROM scratch\nADD rootfs.tar /\nLABEL {_BASE_LABEL}={base.digest}\nCMD ["sh"]\n'
    connection.put(dockerfile.encode(), f"{STATE_DIR}/build/Dockerfile", 0o640)
    command = _build_command(BASE_IMAGE, platform, [f"{STATE_DIR}/build"])
    _run(connection, command, on_line, "the base image")
    connection.run(quote("rm", "-f", remote, f"{STATE_DIR}/build/Dockerfile"), timeout_s=60)


def _base_digest(connection: Connection) -> str:
    form = f'{{{{index .Config.Labels "{_BASE_LABEL}"}}}}'
    command = quote("docker", "image", "inspect", "--format", form, BASE_IMAGE)
    return connection.run(command, timeout_s=60, check=False).stdout.strip()


def build(connection: Shell, image: Image, platform: str, on_line: Callable[[str], None]) -> None:
    """Build an image on the manager, or pull it, unless it is there.

    Raises:
        BuildError: it could not be had; the message has the last lines of the build or of the pull.
        ConnectError: the connection broke.
    """
    if is_present(connection, image.reference):
        return
    if image.prebuilt:
        _pull(connection, image.prebuilt, platform, on_line, f"the {image.name} image")
        _must_be_ours(connection, image)
        _tag(connection, image.prebuilt, image.reference)
        return
    remote = f"{STATE_DIR}/build/{image.name}.tar.gz"
    connection.put(image.context, remote, 0o640)
    arguments = {"BASE": BASE_IMAGE, **image.arguments}
    options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    command = _build_command(image.reference, platform, [*options, "-"])
    try:
        _run(connection, f"{command} < {quote(remote)}", on_line, f"the {image.name} image")
    except BuildError as error:  # Debian's mirrors have broken lists for moments, and networks their hiccups
        on_line(f"failed, trying once more: {error.message.splitlines()[-1].strip()}")
        time.sleep(_RETRY_AFTER_S)
        _run(connection, f"{command} < {quote(remote)}", on_line, f"the {image.name} image")
    connection.run(quote("rm", "-f", remote), timeout_s=60)


def _pull(connection: Shell, source: str, platform: str, on_line: Callable[[str], None], what: str) -> None:
    _run(connection, f"docker pull --platform {quote(platform, source)}", on_line, what)


def _must_be_ours(connection: Shell, image: Image) -> None:
    """Refuse an image that does not start as ours do; it would not find what the stack gives it."""
    form = "{{json .Config.Entrypoint}}"
    command = quote("docker", "image", "inspect", "--format", form, image.prebuilt)
    starts = connection.run(command, timeout_s=60).stdout.strip()
    if starts != json.dumps([_ENTRYPOINT]):
        raise BuildError(
            f"{connection.node}: {image.prebuilt} is no {image.name} image of piswarm's: it starts {starts}.",
            f"Name one that 'piswarm init' built, or build it: --{image.name}-image {BUILT_HERE}",
        )


def _tag(connection: Shell, source: str, reference: str) -> None:
    connection.run(quote("docker", "tag", source, reference), timeout_s=60)


def is_present(connection: Shell, reference: str) -> bool:
    """Return whether the node has the image."""
    command = quote("docker", "image", "inspect", "--format", "{{.Id}}", reference)
    return connection.run(command, timeout_s=60, check=False).exit_code == 0


def push(connection: Shell, reference: str, on_line: Callable[[str], None]) -> str:
    """Push an image from the manager to the cluster's registry.

    Returns:
        Its reference by digest.

    Raises:
        BuildError: the registry refused it.
        ConnectError: the connection broke.
    """
    _run(connection, f"{_DOCKER} push {quote(reference)}", on_line, f"{reference} (push)", PUSH_TIMEOUT_S)
    command = quote("docker", "image", "inspect", "--format", _DIGESTS, reference)
    digests = connection.run(command, timeout_s=60).stdout.split()
    found = [one for one in digests if one.startswith(f"{_repository(reference)}@")]
    if not found:
        raise BuildError(
            f"{connection.node}: {reference} was pushed, but the engine knows no digest of it.",
            "Look at the registry with 'docker service logs piswarm_registry' on the manager.",
        )
    return found[0]


_BASE_LABEL = "piswarm.base"
_DIGESTS = "{{range .RepoDigests}}{{println .}}{{end}}"
_DOCKER = f"DOCKER_CONFIG={STATE_DIR}/docker docker"


def _repository(reference: str) -> str:
    return reference.rpartition(":")[0]


def _build_command(reference: str, platform: str, rest: list[str]) -> str:
    words = ["buildx", "build", "--progress=plain", "--provenance=false", "--load",
             "--cgroup-parent", BUILD_SLICE, "--platform", platform, "-t", reference, *rest]  # fmt: skip
    return f"{_DOCKER} {quote(*words)}"


def _run(
    connection: Shell,
    command: str,
    on_line: Callable[[str], None],
    what: str,
    timeout_s: float = BUILD_TIMEOUT_S,
) -> None:
    of_steps: deque[str] = deque(maxlen=_LINES_KEPT)
    others: deque[str] = deque(maxlen=_LINES_KEPT)  # all that there is of a pull or a push

    def take(line: str) -> None:
        if printed := _BUILD_OUTPUT.match(line):
            of_steps.append(printed["text"])
        elif line.strip():
            others.append(line)
        if step := _BUILD_STEP.match(line):
            on_line(step["text"])

    if connection.stream(command, take, timeout_s=timeout_s) != 0:
        told = "\n  ".join(of_steps or others) or "none"
        raise BuildError(
            f"{connection.node}: {what} could not be made. The last lines were:\n  {told}",
            "Mend what they say, then run the same command again; what is built already is kept.",
        )


def _image(name: str, base_digest: str, arguments: Mapping[str, str] | None = None) -> Image:
    content, arguments = _context(name), arguments or {}
    digest = hashlib.sha256(base_digest.encode() + content + "".join(arguments.values()).encode())
    reference = f"{REGISTRY}/piswarm/{name}:{digest.hexdigest()[:12]}"
    return Image(name, gzip.compress(content, mtime=0), reference, arguments)


def _prebuilt(name: str, source: str) -> Image:
    tag = hashlib.sha256(source.encode()).hexdigest()[:12]
    return Image(name, b"", f"{REGISTRY}/piswarm/{name}:{tag}", prebuilt=source)


def _context(name: str) -> bytes:
    """Return the build context of an image as a tar archive, the same bytes for the same files."""
    files = {
        str(path.relative_to(STACKS / "images" / name)): path for path in _files(STACKS / "images" / name)
    }
    for part in _PACKAGE_PARTS[name]:
        source = PACKAGE / part
        for path in _files(source) if source.is_dir() else [source]:
            files[f"piswarm/{path.relative_to(PACKAGE)}"] = path
    for path in _files(STACKS / "templates") if name == _DEPLOYER else ():
        files[f"stacks/{path.relative_to(STACKS)}"] = path
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for arcname, path in sorted(files.items()):
            entry = tarfile.TarInfo(arcname)
            content = path.read_bytes()
            entry.size = len(content)
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(262 + 5)
    return head.startswith(_TAR_MAGIC) or head[257:262] == b"ustar"
