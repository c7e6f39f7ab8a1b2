"""Making room on the node that builds: images of versions that nobody can go back to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from docker.errors import APIError

from piswarm.cluster.inventory import REGISTRY

if TYPE_CHECKING:
    from piswarm.cluster.engine import Engine

_GONE, _IN_USE = 404, 409


def unneeded(present: Iterable[str], kept: Iterable[str]) -> list[str]:
    """Return the tagged images that no kept version uses.

    Args:
        present: references with tags, `name:tag`.
        kept: references of kept versions, `name:tag@digest`.
    """
    needed = {image.partition("@")[0] for image in kept}
    return sorted(image for image in present if image not in needed)


def prune_images(engine: Engine, function: str, kept: Iterable[str]) -> None:
    """Remove a function's images from a node, all but those of kept versions and those in use."""
    images = engine.images(name=f"{REGISTRY}/functions/{function}")
    present = [tag for image in images for tag in image.get("RepoTags") or []]
    for image in unneeded(present, kept):
        try:
            engine.remove_image(image)
        except APIError as error:
            if error.status_code not in (_GONE, _IN_USE):
                raise
