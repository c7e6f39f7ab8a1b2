"""The bare Debian that everything starts from: an archive made by mmdebstrap, or an image of Docker Hub."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from piswarm.errors import LabError
from piswarm.lab import engine
from piswarm.lab.mirror import SUITE, Mirror
from piswarm.lab.recipe import BaseRecipe

HUB_REFERENCE = f"debian:{SUITE}-slim"
_UNUSABLE_LISTS = "apt-get update"
_MAKE_WITHIN_S = {"native": 300, "emulated": 1200}


@dataclass(frozen=True)
class Base:
    """A bare Debian, ready to start from.

    Attributes:
        digest: the digest of its recipe.
        archive: its root file system as a tar file; None when it is an image of Docker Hub.
    """

    digest: str
    archive: Path | None

    @property
    def source(self) -> str:
        """Return what `piswarm init --base-image` takes: the archive's path, or the image's reference."""
        return str(self.archive) if self.archive else HUB_REFERENCE


def can_make_archive(mirror: Mirror | None) -> bool:
    """Return whether this machine can make the archive itself."""
    return mirror is not None and shutil.which("mmdebstrap") is not None


def make(
    architecture: str, mirror: Mirror, folder: Path, *, native: bool, say: Callable[[str], None]
) -> Base:
    """Make the base of an architecture with mmdebstrap, unless the folder has it already.

    Between two syncs a mirror may have unusable lists of updates; the base is then made of the release alone.

    Args:
        architecture: in Debian's words.
        mirror: where packages come from.
        folder: where archives are kept, one file for each recipe.
        native: whether this machine runs the architecture without emulation.
        say: told what is done, when there is something to do.

    Raises:
        LabError: mmdebstrap failed or did not end in time.
    """
    complete = BaseRecipe(architecture, tuple(mirror.sources()))
    try:
        return _make_archive(complete, folder, native=native, say=say)
    except LabError as error:
        if _UNUSABLE_LISTS not in error.message:
            raise
        say("the mirror's lists of updates cannot be used now; taking the release without them")
        release = BaseRecipe(architecture, complete.sources[:1])
        return _make_archive(release, folder, native=native, say=say)


def ensure_from_hub(client: docker.DockerClient, say: Callable[[str], None]) -> None:
    """Pull the base from Docker Hub, unless the engine has it.

    Args:
        client: the engine.
        say: told what is done, when there is something to do.

    Raises:
        LabError: it cannot be had there either.
    """
    try:
        client.images.get(HUB_REFERENCE)
    except ImageNotFound:
        say(f"pulling {HUB_REFERENCE}")
        _pull(client)


def _pull(client: docker.DockerClient) -> None:
    try:
        client.images.pull(HUB_REFERENCE)
    except DockerException as error:
        raise LabError(
            f"There is no bare Debian to start from: mmdebstrap or a Debian mirror is missing here, "
            f"and pulling {HUB_REFERENCE} failed: {engine.explain(error)}",
            "Install mmdebstrap (sudo apt install mmdebstrap) and name a mirror: export PISWARM_MIRROR=http://…/debian",
        ) from error


def _make_archive(recipe: BaseRecipe, folder: Path, *, native: bool, say: Callable[[str], None]) -> Base:
    target = folder / f"base-{recipe.architecture}-{recipe.digest}.tar"
    if not target.exists():
        say(f"making a bare Debian {recipe.suite} for {recipe.architecture} with mmdebstrap")
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished.tar")
        try:
            _mmdebstrap(recipe, unfinished, within_s=_MAKE_WITHIN_S["native" if native else "emulated"])
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    return Base(recipe.digest, target)


def _mmdebstrap(recipe: BaseRecipe, target: Path, *, within_s: float) -> None:
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--architectures={recipe.architecture}",
        f"--include={','.join(recipe.packages)}",
        *(f"--dpkgopt={option}" for option in recipe.dpkg_options),
        *(f"--aptopt={option}" for option in recipe.apt_options),
        recipe.suite,
        str(target),
        *recipe.sources,
    ]
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"mmdebstrap had not made the bare Debian ({recipe.architecture}) after {within_s:.0f} s.",
            "Is the mirror reachable? Try: apt-get update",
        ) from error
    if made.returncode != 0:
        last = "; ".join(made.stderr.strip().splitlines()[-3:])
        raise LabError(
            f"mmdebstrap could not make the bare Debian ({recipe.architecture}): {last}",
            f"Run it by hand to see more: mmdebstrap {recipe.suite} /dev/null {recipe.sources[0]!r}",
        )
