"""Keeping the cluster's registry small: unneeded images are deleted at once, their blobs at its next start."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import REGISTRY, STATE_DIR
from piswarm.errors import BuildError

if TYPE_CHECKING:
    from piswarm.cluster.shell import Shell

SERVICE = "piswarm_registry"
_SCRIPT = (Path(__file__).parent / "manifests.py").read_text()
_DELETE_TIMEOUT_S = 300.0
_COMMAND_TIMEOUT_S = 60.0
_START_TIMEOUT_S = 300.0
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
    digests = [image.partition("@")[2] for image in kept]
    command = shlex.join(["python3", "-c", _SCRIPT, REGISTRY, STATE_DIR, repository, *digests])
    result = connection.run(command, timeout_s=_DELETE_TIMEOUT_S, check=False)
    if result.exit_code != 0:
        raise BuildError(
            f"{connection.node}: old images of {repository} could not be deleted from the registry: "
            f"{' '.join(result.stderr.split()) or 'it said nothing'}.",
            "See how the registry is: piswarm status",
        )
    return len(result.stdout.split())


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
