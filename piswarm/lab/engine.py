"""The Docker engine of this machine, which carries the lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import DockerException

from piswarm.errors import LabError

_ANSWER_WITHIN_S = 120


def connect() -> docker.DockerClient:
    """Return a client of the engine that `DOCKER_HOST` names (default: the local socket).

    Raises:
        LabError: no engine answers.
    """
    try:
        return docker.from_env(version="auto", timeout=_ANSWER_WITHIN_S)
    except DockerException as error:
        raise LabError(
            f"No Docker engine answers on this machine: {error}",
            "Start it (sudo systemctl start docker), or let the checkout's scripts/bootstrap do so.",
        ) from error


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Turn an engine's refusal inside the block into a `LabError` that says what was tried.

    Args:
        what: what could not be done, as the beginning of a sentence: "Node pi1 could not be made".
    """
    try:
        yield
    except DockerException as error:
        raise LabError(f"{what}: {explain(error)}", "See what is there: piswarm lab status") from error


def explain(error: DockerException) -> str:
    """Return what the engine says went wrong."""
    return str(getattr(error, "explanation", None) or error)


def debian_architecture(client: docker.DockerClient) -> str:
    """Return the engine's own architecture in Debian's words: amd64, arm64 or armhf."""
    arch = str(client.version()["Arch"])
    return {"arm": "armhf"}.get(arch, arch)


def uses_cgroup_v1(client: docker.DockerClient) -> bool:
    """Return whether the engine runs on control groups of the first version (or a mixture of both)."""
    return str(client.info().get("CgroupVersion", "1")) == "1"
