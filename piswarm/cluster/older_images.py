"""Images of earlier releases on a node, which nothing starts from any more."""

from __future__ import annotations

import shlex

from piswarm.cluster.shell import Shell

_LIST_TIMEOUT_S = 60.0
_REMOVE_TIMEOUT_S = 600.0


def remove_older(shell: Shell, reference: str) -> None:
    """Remove the images of the same name but another tag from a node; one that a container still holds stays.

    Args:
        shell: the node.
        reference: name and tag of the image that stays.

    Raises:
        ConnectError: the node was lost.
    """
    repository = reference.rpartition(":")[0]
    words = (
        "docker",
        "image",
        "ls",
        "--filter",
        f"reference={repository}",
        "--format",
        "{{.Repository}}:{{.Tag}}",
    )
    listed = shell.run(shlex.join(words), timeout_s=_LIST_TIMEOUT_S).stdout.split()
    older = [one for one in listed if one != reference]
    if older:
        command = shlex.join(["docker", "image", "rm", *older])
        shell.run(command, timeout_s=_REMOVE_TIMEOUT_S, check=False)
