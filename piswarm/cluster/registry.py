"""The cluster's registry: its password, images that several others are joined to, and room for new ones."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import PLATFORMS, REGISTRY, STATE_DIR
from piswarm.errors import BuildError

if TYPE_CHECKING:
    from piswarm.cluster.shell import Shell

SERVICE = "piswarm_registry"
_SCRIPT = (Path(__file__).parent / "manifests.py").read_text()
_MANIFESTS_TIMEOUT_S = 300.0
_COMMAND_TIMEOUT_S = 60.0
_START_TIMEOUT_S = 300.0
_INDEX = "all"
_COLLECT_AFTER = timedelta(days=1)
_TO_SECONDS = len("2026-01-31T12:00:00")


def delete_images(connection: Shell, repository: str, kept: Iterable[str]) -> int:
    """Delete the images of a repository from the registry, all but those that are kept.

    Only manifests with a tag are found: give each image a tag of its own.

    Args:
        connection: a manager that may push.
        repository: name of the repository, without the registry's.
        kept: references of the images to keep, by digest.

    Returns:
        How many were deleted.

    Raises:
        BuildError: the registry refuses it or cannot be reached.
    """
    wish = {"repository": repository, "needed": [image.partition("@")[2] for image in kept]}
    return len(_done(connection, wish, f"old images of {repository} could not be deleted from the registry"))


def join_images(connection: Shell, images: Mapping[str, str]) -> str:
    """Join the images of one version for several architectures to one that suits all of these.

    Args:
        connection: a manager that may push.
        images: references by digest of images in one repository, by architecture in Debian's words.

    Returns:
        The reference of the index, by digest.

    Raises:
        BuildError: the registry refuses it or cannot be reached.
    """
    name, _, _ = next(iter(images.values())).partition("@")
    parts = [
        {"digest": image.partition("@")[2], "platform": platform_of(arch)} for arch, image in images.items()
    ]
    place, _, tag = name.rpartition(":")
    wish = {"repository": place.removeprefix(f"{REGISTRY}/"), "tag": f"{tag}-{_INDEX}", "parts": parts}
    (digest,) = _done(connection, wish, f"the images for {' and '.join(images)} could not be joined")
    return f"{name}-{_INDEX}@{digest}"


def platform_of(arch: str) -> dict[str, str]:
    """Return an architecture (Debian's word) as an image index names it."""
    system, architecture, *variant = PLATFORMS[arch].split("/")
    return {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}


def login_file(user: str, password: str) -> bytes:
    """Return Docker's client configuration with the registry's password."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return json.dumps({"auths": {REGISTRY: {"auth": token}}}).encode()


def _done(connection: Shell, wish: Mapping[str, object], failed: str) -> list[str]:
    """Have the manager do something to the registry's manifests; return the digests that came of it."""
    command = shlex.join(["python3", "-c", _SCRIPT, REGISTRY, STATE_DIR, json.dumps(wish)])
    result = connection.run(command, timeout_s=_MANIFESTS_TIMEOUT_S, check=False)
    if result.exit_code != 0:
        said = " ".join(result.stderr.split()) or "it said nothing"
        raise BuildError(f"{connection.node}: {failed}: {said}.", "See how the registry is: piswarm status")
    return result.stdout.split()


def has_garbage_day(connection: Shell) -> bool:
    """Return whether the registry runs for so long that a new start, which frees space, is due.

    Args:
        connection: the manager that the registry is on.
    """
    running = shlex.join(
        ["docker", "ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={SERVICE}"]
    )
    command = f"date -u +%FT%T; docker inspect --format '{{{{.State.StartedAt}}}}' $({running})"
    told = connection.run(command, timeout_s=_COMMAND_TIMEOUT_S, check=False).stdout.split()
    return len(told) == 2 and is_due(*told)


def collect_garbage(connection: Shell) -> None:
    """Start the registry anew, which frees the space of deleted images.

    Until it serves again, nothing can be pushed or pulled: hold the lock of builds.

    Args:
        connection: the manager that the registry is on.

    Raises:
        BuildError: it did not start in time.
    """
    words = ("docker", "service", "update", "--force", "--quiet", "--no-resolve-image", SERVICE)
    command = shlex.join(["timeout", f"{_START_TIMEOUT_S:.0f}", *words])
    result = connection.run(command, timeout_s=_START_TIMEOUT_S + _COMMAND_TIMEOUT_S, check=False)
    if result.exit_code != 0:
        raise BuildError(
            f"{connection.node}: the registry did not start again: "
            f"{' '.join(result.stderr.split()) or f'after {_START_TIMEOUT_S:.0f} s it was not ready'}.",
            f"See why: docker service ps --no-trunc {SERVICE}",
        )


def is_due(now: str, started: str) -> bool:
    """Return whether the registry runs for so long that its garbage is worth a new start.

    Args:
        now: the node's time, in ISO 8601, UTC.
        started: when the registry started, likewise.
    """
    ran = datetime.fromisoformat(now[:_TO_SECONDS]) - datetime.fromisoformat(started[:_TO_SECONDS])
    return ran > _COLLECT_AFTER
