"""Which architectures a function is built for, and which nodes can build for each. Pure: data in, data out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from piswarm.cluster.inventory import PLATFORMS, Cluster, NodeRecord
from piswarm.errors import SpecError

_CONSTRAINT = re.compile(r"\s*(\S+?)\s*(==|!=)\s*(\S+)\s*")
_LABEL, _MACHINE = "node.labels.piswarm.arch", "node.platform.arch"
_OF_MACHINE = {
    "aarch64": "arm64", "arm64": "arm64", "armv7l": "armhf", "arm": "armhf", "x86_64": "amd64", "amd64": "amd64",
}  # fmt: skip


def builders(cluster: Cluster) -> dict[str, tuple[NodeRecord, ...]]:
    """Return the nodes that can build for each architecture of a cluster, the best first.

    The first manager builds for the architecture of the cluster's own images, for each other one a node of that kind.

    Args:
        cluster: the cluster.
    """
    others = sorted(
        (node for node in cluster.nodes if node is not cluster.manager), key=lambda node: -node.memory_mb
    )
    kinds = sorted({node.arch for node in others} & PLATFORMS.keys() - {cluster.image_arch})
    return {
        cluster.image_arch: (cluster.manager,),
        **{arch: tuple(node for node in others if node.arch == arch) for arch in kinds},
    }


def wanted(architectures: Iterable[str], constraints: Sequence[str]) -> list[str]:
    """Return the architectures that a function's constraints leave.

    Args:
        architectures: those of the cluster.
        constraints: the function's constraints, in Swarm's words.

    Raises:
        SpecError: they leave none.
    """
    present = list(architectures)
    left = [arch for arch in present if all(_allows(constraint, arch) for constraint in constraints)]
    if not left:
        raise SpecError(
            f"The constraints ({', '.join(constraints)}) leave no architecture to build for.",
            f"Functions are built for {' and '.join(present)} on this cluster.",
        )
    return left


def check_built_by_one(built: Iterable[str], cluster: Cluster) -> None:
    """Check that the manager alone builds a function, as it must where nobody reaches the others: after a push.

    Args:
        built: the architectures that the function is built for.
        cluster: the cluster.

    Raises:
        SpecError: another node would have to build, too.
    """
    others = [arch for arch in built if arch != cluster.image_arch]
    if others:
        raise SpecError(
            f"It is built for {' and '.join(others)}, too, and after a push the manager builds alone, "
            f"for {cluster.image_arch}.",
            f"Keep it to nodes of that kind, with constraints: [node.labels.piswarm.arch == {cluster.image_arch}], "
            "or deploy it from your computer.",
        )


def pin(built: Sequence[str], cluster: Cluster) -> list[str]:
    """Return the constraints that keep an image of one architecture off nodes of another kind.

    An image of several says itself for which nodes it is, and the gateway reads that.

    Args:
        built: the architectures that it is built for.
        cluster: the cluster.
    """
    kinds = {node.arch for node in cluster.nodes}
    return [f"{_LABEL}=={arch}" for arch in built if len(built) == 1 and len(kinds) > 1]


def _allows(constraint: str, arch: str) -> bool:
    match = _CONSTRAINT.fullmatch(constraint)
    if not match or match[1].lower() not in (_LABEL, _MACHINE):
        return True
    named = match[3].lower() if match[1].lower() == _LABEL else _OF_MACHINE.get(match[3].lower(), "")
    return (named == arch) == (match[2] == "==")
