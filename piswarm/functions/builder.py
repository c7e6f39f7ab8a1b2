"""A node that builds for another architecture than the manager does: what it needs is made when it is needed.

What speaks SSH is imported where it is needed: in the deployer it is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import PLATFORMS, STATE_DIR, Cluster
from piswarm.cluster.older_images import remove_older
from piswarm.cluster.registry import login_file
from piswarm.functions.templates import Template

if TYPE_CHECKING:
    from piswarm.cluster.connect import Connection


def make_ready(
    connection: Connection, cluster: Cluster, arch: str, template: Template, on_line: Callable[[str], None]
) -> None:
    """Give a node what it needs to build functions in a language: the registry's password, the image they start from.

    Args:
        connection: the node.
        cluster: its cluster.
        arch: the architecture that it builds for, in Debian's words.
        template: the language.
        on_line: is called with each line that tells of what is made.

    Raises:
        ConfigError: there is no Debian base for the architecture.
        BuildError: an image could not be made.
    """
    from piswarm.cluster.bases import recorded_base  # noqa: PLC0415
    from piswarm.cluster.images import build, cluster_images, is_present, make_base  # noqa: PLC0415

    user, password = cluster.registry_credentials
    connection.put(login_file(user, password.reveal()), f"{STATE_DIR}/docker/config.json", 0o600)
    base, platform = recorded_base(cluster.directory, arch, cluster.image_arch), PLATFORMS[arch]
    image = cluster_images(base)[template.starts_from or template.image]
    if not is_present(connection, image.reference):
        on_line(f"the image that functions for {arch} start from is made, for the first time")
        make_base(connection, base, platform, on_line)
        build(connection, image, platform, on_line)
        remove_older(connection, image.reference)
