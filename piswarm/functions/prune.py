"""Making room: images of versions that nobody can go back to, on the node that builds and in the registry."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from docker.errors import APIError

from piswarm.cluster.inventory import REGISTRY
from piswarm.cluster.registry import delete_images

if TYPE_CHECKING:
    from piswarm.cluster.engine import Engine
    from piswarm.cluster.shell import Shell

_GONE, _IN_USE = 404, 409


def unneeded(present: Iterable[str], kept: Iterable[str]) -> list[str]:
    """Return the tagged images that no kept version uses.

    Args:
        present: references with tags, `name:tag`.
        kept: references of kept versions, `name:tag@digest`.
    """
    needed = {image.partition("@")[0] for image in kept}
    return sorted(image for image in present if image not in needed)


def prune_function(engine: Engine, shell: Shell, function: str, kept: Collection[str]) -> None:
    """Remove a function's images, all but those of kept versions.

    Args:
        engine: the engine that builds.
        shell: the same node, which may push to the registry.
        function: the function's name.
        kept: references of the kept versions' images, by digest.

    Raises:
        BuildError: the registry refuses it or cannot be reached.
    """
    repository = f"functions/{function}"
    prune_local(engine, repository, kept)
    delete_images(shell, repository, kept)


def prune_local(engine: Engine, repository: str, kept: Iterable[str]) -> None:
    """Remove a repository's images from a node, all but those that are kept and those in use."""
    images = engine.images(name=f"{REGISTRY}/{repository}")
    present = [tag for image in images for tag in image.get("RepoTags") or []]
    for image in unneeded(present, kept):
        try:
            engine.remove_image(image)
        except APIError as error:
            if error.status_code not in (_GONE, _IN_USE):
                raise
