"""What cannot work is refused before it is deployed, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from piswarm.gateway.faults import BadRequest
from piswarm.gateway.function import FunctionSpec
from piswarm.gateway.image import Image
from piswarm.gateway.node import ARCHITECTURES, Node
from piswarm.gateway.quantities import format_cpu, format_memory


def must_be_able_to_run(spec: FunctionSpec, image: Image | None, nodes: Sequence[Node]) -> None:
    """Do nothing if some node can run the function.

    Args:
        spec: the function.
        image: its image; None when the registry cannot be asked.
        nodes: the cluster's nodes.

    Raises:
        BadRequest: no node can; the message names every reason.
    """
    reasons = [*_architecture(image, nodes), *_size(spec, nodes)]
    if reasons:
        raise BadRequest(f"Deployment error: {'; '.join(reasons)}.")


def unfit_architectures(image: Image | None) -> tuple[str, ...]:
    """Return the architectures whose nodes must not get the image."""
    if image is None or not image.archs:
        return ()
    return tuple(arch for arch in ARCHITECTURES if arch not in image.archs)


def _architecture(image: Image | None, nodes: Sequence[Node]) -> list[str]:
    present = {node.arch for node in nodes}
    if image is None or not image.archs or not present or present & image.archs:
        return []
    return [f"the image is for {_words(image.archs)}, the nodes are {_words(present)}"]


def _size(spec: FunctionSpec, nodes: Sequence[Node]) -> list[str]:
    cpus = max((node.nano_cpus for node in nodes), default=0)
    memory = max((node.memory_bytes for node in nodes), default=0)
    reasons = []
    for field, asked in (("limits.cpu", spec.limits.nano_cpus), ("requests.cpu", spec.requests.nano_cpus)):
        if asked and nodes and asked > cpus:
            reasons.append(f"{field} is {format_cpu(asked)}, the largest node has {format_cpu(cpus)} CPUs")
    asked = spec.requests.memory_bytes
    if asked and nodes and asked > memory:
        reasons.append(
            f"requests.memory is {format_memory(asked)}, the largest node has {format_memory(memory)}"
        )
    return reasons


def _words(archs: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(archs))
