"""What a registry tells about an image before anything runs from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OF_PLATFORM = {"arm": "armhf", "arm64": "arm64", "amd64": "amd64"}


@dataclass(frozen=True)
class Image:
    """An image in a registry.

    Attributes:
        digest: the digest of its manifest.
        archs: the architectures that it runs on, in piswarm's words; empty when it does not say.
    """

    digest: str
    archs: frozenset[str]

    def pin(self, reference: str) -> str:
        """Return `reference` with the digest, so that every node runs the very same image."""
        return reference if "@" in reference else f"{reference}@{self.digest}"


def read_image(document: Mapping[str, Any]) -> Image:
    """Return the image that the engine's `DistributionInspect` describes.

    Manifest lists may hold attestations, which are listed with an unknown architecture.
    """
    platforms = (platform.get("architecture", "") for platform in document.get("Platforms") or [])
    archs = {_OF_PLATFORM.get(arch, arch) for arch in platforms} - {"unknown", ""}
    return Image(document["Descriptor"]["digest"], frozenset(archs))
