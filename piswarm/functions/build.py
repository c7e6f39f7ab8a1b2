"""Building a function's image on a node, from a commit in the node's own bare repository.

Everything runs in the node's shell: the commit is unpacked into a folder of its own, BuildKit makes the
image from the language's Dockerfile, the cluster's registry gets it, and the folder is removed.
"""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import BUILD_SLICE, DISPOSABLE, REGISTRY, STATE_DIR
from piswarm.errors import BuildError
from piswarm.functions.source import DISK_HINT

if TYPE_CHECKING:
    from piswarm.cluster.shell import Shell

BUILD_TIMEOUT_S = 1800.0
PUSH_TIMEOUT_S = 600.0
_COMMAND_TIMEOUT_S = 60.0
_UNPACK_TIMEOUT_S = 300.0
_TIME_IS_UP = 124
"""The exit code of timeout(1)."""
_LINES_KEPT = 200

_DOCKER = f"DOCKER_CONFIG={STATE_DIR}/docker docker"
_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_PREFIX = re.compile(r"^#\d+ (?:\d+\.\d+ )?")
_STEP = re.compile(r"^\[(?:[\w.-]+ +)?(\d+/\d+)\] ")
_NOISE = re.compile(
    r"^(?:\[internal\]|building with |sha256:|DONE |CACHED$|transferring |resolve |exporting |writing |naming |"
    r"\.\.\.$|$)"
)
_REASONS = (
    (r"\bKilled\b|signal: killed|exit code: 137", "the build ran out of memory"),
    (
        r"Failed (?:building wheel for|to build) '?([\w.-]+)",
        "the package index has no ready-made {0} for this processor, and compiling it failed",
    ),
    (
        r"No matching distribution found for (\S+)",
        "the package index has no {0} for this Python and processor",
    ),
    (r"Could not find a version that satisfies the requirement (\S+)", "there is no package {0}"),
    (r"Unable to locate package (\S+)", "Debian has no package {0} for this processor"),
    (r"(Invalid requirement: .+)", "requirements.txt has an {0}"),
    (r"CERTIFICATE_VERIFY_FAILED", "the package index shows a certificate that the node does not trust"),
    (r"((?:Syntax|Indentation|Tab)Error: .+)", "handler.py is no Python: {0}"),
    (r"(?i)no space left on device", "the disk of the node is full"),
    (r"Temporary failure in name resolution", "the node cannot resolve names on the internet"),
)
_HINTS = {
    "certificate": "Give the bundle that knows it to the nodes: piswarm init --ca-bundle FILE",
    "compiling": "Take Debian's package, if there is one, or add a compiler: in build_args, "
    "ADDITIONAL_PACKAGE: python3-NAME, or ADDITIONAL_PACKAGE: build-essential python3-dev",
    "memory": "A build gets three quarters of the node's memory, and compiling takes the most. Ask for versions "
    "that need no compiler, or take Debian's package: in build_args, ADDITIONAL_PACKAGE: python3-NAME",
    "disk": DISK_HINT,
}


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built.

    Attributes:
        function: the function's name.
        repository: path of the bare repository on the node.
        commit: full name of the commit.
        version: what the function is to call itself (`PISWARM_VERSION`), so that its answers are recognised.
        folder: the source inside the commit, `.` for the top.
        platform: what the image is for, in Docker's words.
        base: reference of the image that it starts from.
        dockerfile: content of the Dockerfile; empty to use the one in the folder.
        build_args: more build arguments.
        is_cached: whether layers of earlier builds may be used.
        timeout_s: seconds until the build is ended.
    """

    function: str
    repository: str
    commit: str
    version: str
    folder: str
    platform: str
    base: str
    dockerfile: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    is_cached: bool = True
    timeout_s: float = BUILD_TIMEOUT_S


def build(shell: Shell, request: BuildRequest, on_line: Callable[[str], None]) -> str:
    """Build an image and give it to the cluster's registry.

    Args:
        shell: the node to build on.
        request: what to build.
        on_line: is called with each line that tells of the build.

    Returns:
        The image's reference, with its digest.

    Raises:
        BuildError: it could not be built or pushed; the message says why.
    """
    with _unpacked(shell, request) as folder:
        reference = image_name(request, folder)
        command = build_command(request, folder, reference)
        run_build(shell, request.function, command, on_line, timeout_s=request.timeout_s)
        return f"{reference}@{push(shell, reference)}"


def image_name(request: BuildRequest, folder: str) -> str:
    """Return a name for the image that no other has: one without a name would be found by nobody who makes room.

    Args:
        request: what is built.
        folder: the folder that it is built in, which ends with a random text after a dot.
    """
    return f"{REGISTRY}/functions/{request.function}:{request.commit[:12]}-{folder.rpartition('.')[2]}"


@contextmanager
def _unpacked(shell: Shell, request: BuildRequest) -> Iterator[str]:
    """Unpack the commit's folder into a new folder of the node, and remove that at the end."""
    inside = "" if request.folder == "." else request.folder
    tree = shlex.quote(f"{request.commit}:{inside}")
    command = (
        f"set -eu; mkdir -p {STATE_DIR}/build; "
        f"find {STATE_DIR}/build -mindepth 1 -maxdepth 1 -type d -mmin +120 -exec rm -rf {{}} +; "
        f"work=$(mktemp -d {STATE_DIR}/build/{request.function}.XXXXXXXX); mkdir $work/source; "
        f"git --git-dir {request.repository} archive --format=tar --output $work/source.tar {tree}; "
        "tar -xf $work/source.tar -C $work/source; rm $work/source.tar; echo $work"
    )
    result = shell.run(command, timeout_s=_UNPACK_TIMEOUT_S, check=False)
    if result.exit_code != 0:
        reason = _last_line(result.stderr)
        hint = DISK_HINT if "No space left on device" in reason else ""
        raise BuildError(f"{shell.node}: the commit could not be unpacked: {reason}.", hint)
    work = result.stdout.strip()
    try:
        if request.dockerfile:
            shell.put(request.dockerfile.encode(), f"{work}/Dockerfile", 0o600)
        yield work
    finally:
        shell.run(f"rm -rf {shlex.quote(work)}", timeout_s=_COMMAND_TIMEOUT_S, check=False)


def run_build(
    shell: Shell,
    what: str,
    command: str,
    on_line: Callable[[str], None],
    *,
    timeout_s: float = BUILD_TIMEOUT_S,
) -> None:
    """Run a build on a node, its output live.

    Args:
        shell: the node.
        what: what is built, for messages.
        command: the command line.
        on_line: is called with each line that tells of the build.
        timeout_s: seconds after which the command ends itself.

    Raises:
        BuildError: it failed; the message says why.
    """
    lines: deque[str] = deque(maxlen=_LINES_KEPT)

    def keep(line: str) -> None:
        lines.append(line)
        told = readable(line)
        if told:
            on_line(told)

    exit_code = shell.stream(command, keep, timeout_s=timeout_s + _COMMAND_TIMEOUT_S)
    if exit_code == _TIME_IS_UP:
        raise BuildError(
            f"{shell.node}: the build of {what} took longer than {timeout_s:.0f} s and was ended.",
            "If it needs more, give it more: piswarm deploy --build-timeout SECONDS",
        )
    if exit_code != 0:
        reason = explain(lines)
        hint = next((hint for word, hint in _HINTS.items() if word in reason), "")
        raise BuildError(f"{what} could not be built on {shell.node}: {reason}.", hint)


def build_command(request: BuildRequest, folder: str, reference: str) -> str:
    """Return the command line that builds `request` from `folder`.

    Args:
        request: what to build.
        folder: folder on the node with `source` and, where piswarm brings it, `Dockerfile`.
        reference: name for the image.
    """
    arguments = {**request.build_args, "PISWARM_VERSION": request.version, "BASE": request.base}
    file = f"{folder}/Dockerfile" if request.dockerfile else f"{folder}/source/Dockerfile"
    options = ["--file", file, "--label", f"org.opencontainers.image.revision={request.commit}"]
    options += ["--label", DISPOSABLE]
    options += [] if request.is_cached else ["--no-cache"]
    source = f"{folder}/source"
    return docker_build(reference, request.platform, arguments, options, source, timeout_s=request.timeout_s)


def docker_build(
    reference: str,
    platform: str,
    arguments: Mapping[str, str],
    options: Sequence[str],
    context: str,
    *,
    timeout_s: float = BUILD_TIMEOUT_S,
) -> str:
    """Return the command line of a bounded BuildKit build on a node.

    Args:
        reference: name for the image.
        platform: what the image is for, in Docker's words.
        arguments: build arguments.
        options: more options of `docker buildx build`.
        context: folder on the node.
        timeout_s: seconds until it is ended.
    """
    words = [
        "timeout", "--kill-after=10", f"{timeout_s:.0f}", "docker", "buildx", "build",
        "--progress=plain", "--provenance=false", "--load", "--platform", platform,
        "--cgroup-parent", BUILD_SLICE,
        "--secret", f"id=ca,src={_CA_BUNDLE}", "--tag", reference, *options,
    ]  # fmt: skip
    for name, value in sorted(arguments.items()):
        words += ["--build-arg", f"{name}={value}"]
    return f"DOCKER_CONFIG={STATE_DIR}/docker {shlex.join([*words, context])} 2>&1"


def readable(line: str) -> str:
    """Return what a line of BuildKit's plain progress tells a person, or an empty text."""
    text = " ".join(_PREFIX.sub("", line).split())
    return "" if _NOISE.match(text) else _STEP.sub(r"step \1: ", text)


def explain(lines: Iterable[str]) -> str:
    """Return why a build failed, from its last lines of output, without a full stop."""
    kept = list(lines)
    for pattern, sentence in _REASONS:
        for line in reversed(kept):
            match = re.search(pattern, line)
            if match:
                return sentence.format(*(group.rstrip(".") for group in match.groups()))
    errors = [line for line in kept if line.lower().startswith("error")]
    return _last_line("\n".join(errors or kept)).removeprefix("ERROR: ")


def push(shell: Shell, reference: str) -> str:
    """Push an image from a node to the cluster's registry and return its digest.

    Raises:
        BuildError: the registry does not take it.
    """
    result = shell.run(f"{_DOCKER} push {shlex.quote(reference)}", timeout_s=PUSH_TIMEOUT_S, check=False)
    if result.exit_code != 0:
        raise BuildError(
            f"{shell.node}: {reference} could not be given to the registry: "
            f"{_last_line(result.stderr or result.stdout)}.",
            "See how the registry is: piswarm status",
        )
    match = _DIGEST.search(result.stdout)
    return match[1] if match else _known_digest(shell, reference)


def _known_digest(shell: Shell, reference: str) -> str:
    """Return the digest that the engine knows; engines with containerd's image store do not print it."""
    command = shlex.join(
        ["docker", "image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", reference]
    )
    repository = reference.rpartition(":")[0]
    for known in shell.run(command, timeout_s=_COMMAND_TIMEOUT_S).stdout.split():
        name, _, digest = known.partition("@")
        if name == repository:
            return digest
    raise BuildError(
        f"{shell.node}: {reference} was pushed, but the engine knows no digest of it.",
        "See the registry's log: docker service logs piswarm_registry",
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it said nothing"
