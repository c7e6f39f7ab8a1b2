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


def prune_images(engine: Engine, name: str, kept: Iterable[str]) -> None:
    """Remove images from a node, all but those that are kept and those in use.

    Args:
        engine: the node's engine.
        name: the images' name in the cluster's registry, without a tag.
        kept: references of those to keep, `name:tag@digest`.
    """
    images = engine.images(name=f"{REGISTRY}/{name}")
    present = [tag for image in images for tag in image.get("RepoTags") or []]
    for image in unneeded(present, kept):
        try:
            engine.remove_image(image)
        except APIError as error:
            if error.status_code not in (_GONE, _IN_USE):
                raise
