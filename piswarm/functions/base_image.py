"""What the functions of a language start from: an image of the cluster's, or one that the language brings."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import REGISTRY, STATE_DIR
from piswarm.cluster.older_images import remove_older
from piswarm.errors import BuildError
from piswarm.functions.build import docker_build, run_build
from piswarm.functions.templates import Template

if TYPE_CHECKING:
    from piswarm.cluster.shell import Shell

_TIMEOUT_S = 60.0


def base_image(shell: Shell, template: Template, platform: str, on_line: Callable[[str], None]) -> str:
    """Return the image that functions in a language start from; make it when it is needed for the first time.

    Args:
        shell: the node to build on.
        template: the language.
        platform: what the image is for, in Docker's words.
        on_line: is called with each line that tells of its making.

    Raises:
        BuildError: it could not be made, or the cluster lacks what it is made from.
    """
    if not template.starts_from:
        return _newest(shell, template.image)
    below = _newest(shell, template.starts_from)
    reference = f"{REGISTRY}/piswarm/{template.image}:{_digest(template, below)}"
    if not _is_present(shell, reference):
        on_line(f"the image that {template.name} functions start from is made, for the first time")
        _make(shell, template, reference, below, platform, on_line)
    return reference


def _newest(shell: Shell, name: str) -> str:
    """Return the newest of the cluster's images called `name` that this node has built."""
    command = (
        f"docker image ls --filter {shlex.quote(f'reference={REGISTRY}/piswarm/{name}')}"
        " --format '{{.Repository}}:{{.Tag}}'"
    )
    images = shell.run(command, timeout_s=_TIMEOUT_S).stdout.split()
    if not images:
        raise BuildError(
            f"{shell.node} does not have the image piswarm/{name}, which functions start from.",
            "Run 'piswarm init' again: it builds it.",
        )
    return images[0]


def _digest(template: Template, below: str) -> str:
    digest = hashlib.sha256(below.encode())
    for name, content in template.image_files().items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _is_present(shell: Shell, reference: str) -> bool:
    command = shlex.join(["docker", "image", "inspect", "--format", "{{.Id}}", reference])
    return shell.run(command, timeout_s=_TIMEOUT_S, check=False).exit_code == 0


def _make(
    shell: Shell,
    template: Template,
    reference: str,
    below: str,
    platform: str,
    on_line: Callable[[str], None],
) -> None:
    context = f"{STATE_DIR}/build/{template.image}-image"
    shell.run(shlex.join(["mkdir", "-p", context]), timeout_s=_TIMEOUT_S)
    try:
        for name, content in template.image_files().items():
            shell.put(content, f"{context}/{name}", 0o644)
        command = docker_build(reference, platform, {"BASE": below}, [], context)
        run_build(shell, f"the {template.name} image", command, on_line)
    finally:
        shell.run(shlex.join(["rm", "-rf", context]), timeout_s=_TIMEOUT_S, check=False)
    remove_older(shell, reference)
