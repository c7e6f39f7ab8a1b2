"""`piswarm reset`: dissolve the cluster and give its nodes back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piswarm.cli import context, passwords
from piswarm.errors import PiswarmError


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("reset")(reset)


def reset(
    confirm: Annotated[str, typer.Option("--confirm", help="The cluster's name; instead of typing it.")] = "",
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove Docker where piswarm installed it.")
    ] = False,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="sudo password of the nodes, in its first line.")
    ] = None,
) -> None:
    """Dissolve the cluster: functions, images and the Swarm go; the nodes are left as they were found.

    Example:  piswarm reset --confirm home
    """
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415
    from piswarm.cluster.members import reset_cluster  # noqa: PLC0415

    console, settings = context.console(), context.settings()
    cluster = load_cluster(settings, context.options().cluster)
    nodes = ", ".join(node.name for node in cluster.nodes)
    console.warn(f"This dissolves cluster '{cluster.name}' ({nodes}) with all its functions and images.")
    typed = confirm or console.ask("Type the cluster's name to go on", flag="--confirm NAME")
    if typed != cluster.name:
        raise PiswarmError(
            f"'{typed}' is not the cluster's name; nothing was changed.", f"It is '{cluster.name}'."
        )
    sudo_password = passwords.for_sudo(cluster, password_file, settings, console)
    reset_cluster(cluster, settings, console, purge=purge, sudo_password=sudo_password)
    console.done(f"Cluster '{cluster.name}' is dissolved.")
