"""Which Debian base `piswarm init` was told to build from, for each architecture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from piswarm.cluster.images import DEFAULT_BASE, Base, read_base
from piswarm.cluster.inventory import PLATFORMS
from piswarm.errors import ConfigError, UsageError

OPTIONS_FILE = "options.json"
MAIN, OTHERS = "base_image", "other_base_images"
"""What the file calls the base of the cluster's own images, and those for further architectures (`ARCH=IMAGE`)."""


def split(bases: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the base of the cluster's own images, and those that name another architecture.

    Args:
        bases: references or archives, those for another architecture as `ARCH=IMAGE`.

    Raises:
        UsageError: there are several for the same images.
    """
    others = tuple(one for one in bases if one.partition("=")[0] in PLATFORMS and "=" in one)
    main = [one for one in bases if one not in others]
    if len(main) > 1:
        raise UsageError(
            f"Several base images were given: {', '.join(main)}.",
            "Give one, and those for other architectures as --base-image ARCH=IMAGE.",
        )
    return (main[0] if main else ""), others


def recorded_base(directory: Path, arch: str, image_arch: str) -> Base:
    """Return the base that functions for an architecture are built from.

    Args:
        directory: the cluster's folder.
        arch: the architecture, in Debian's words.
        image_arch: that of the cluster's own images.

    Raises:
        ConfigError: there is none for this architecture.
    """
    try:
        recorded = json.loads((directory / OPTIONS_FILE).read_text())
    except FileNotFoundError:
        recorded = {}
    named = dict(one.split("=", 1) for one in recorded.get(OTHERS) or ())
    base = read_base(named.get(arch) or recorded.get(MAIN) or DEFAULT_BASE)
    if base.archive and arch != image_arch and arch not in named:
        raise ConfigError(
            f"The base image {base.archive} is for {image_arch}, and there is none for {arch}.",
            f"Name one: piswarm init --base-image {arch}=IMAGE",
        )
    return base
