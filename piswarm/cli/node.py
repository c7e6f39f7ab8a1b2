"""`piswarm node`: list, add, remove, drain and activate nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piswarm.cli import context, passwords
from piswarm.cli.status import node_documents, node_table

app = typer.Typer(help="The nodes of the cluster.", no_args_is_help=True, rich_markup_mode=None)

_Name = Annotated[str, typer.Argument(help="Name of a node, for example pi3.")]
_PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="SSH password; in a second line sudo's, if it differs.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Give the result as JSON.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_nodes(as_json: _AsJson = False) -> None:
    """List the nodes with role, state and architecture."""
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415
    from piswarm.cluster.status import read_status  # noqa: PLC0415

    console = context.console(as_json)
    seen = read_status(load_cluster(context.settings(), context.options().cluster), console)
    console.result({"version": 1, "nodes": node_documents(seen)}, node_table(seen))


@app.command()
def add(
    address: Annotated[list[str], typer.Argument(help="Addresses or host names of bare nodes.")],
    password_file: _PasswordFile = None,
    yes: _Yes = False,
    as_json: _AsJson = False,
) -> None:
    """Prepare bare nodes and join them; what 'piswarm init' does for nodes that it finds by itself.

    Example:  piswarm node add 192.168.1.34
    """
    from piswarm.cli.init import show_result  # noqa: PLC0415
    from piswarm.cluster.init import initialise  # noqa: PLC0415
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415
    from piswarm.cluster.site import InitOptions  # noqa: PLC0415

    console, settings = context.console(as_json), context.settings()
    cluster = load_cluster(settings, context.options().cluster)
    known = passwords.read(password_file, settings)
    options = InitOptions(
        cluster=cluster.name,
        nodes=(*(node.address for node in cluster.nodes), *address),
        password=known.ssh,
        sudo_password=known.sudo,
        yes=yes,
    )
    show_result(initialise(options, settings, console), console)


@app.command()
def remove(
    name: _Name,
    force: Annotated[bool, typer.Option("--force", help="Also when the node cannot be reached.")] = False,
    password_file: _PasswordFile = None,
    yes: _Yes = False,
) -> None:
    """Move a node's tasks elsewhere, take it out of the Swarm and give it back as it was."""
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415
    from piswarm.cluster.members import remove_node  # noqa: PLC0415
    from piswarm.errors import PiswarmError  # noqa: PLC0415

    console, settings = context.console(), context.settings()
    cluster = load_cluster(settings, context.options().cluster)
    record = cluster.node(name)
    if not yes and not console.confirm(
        f"Remove {record.name} ({record.address}) from cluster '{cluster.name}'?"
    ):
        raise PiswarmError("Nothing was changed.", "Say 'y', or give --yes, to go on.")
    sudo_password = passwords.for_sudo(cluster, password_file, settings, console)
    remove_node(cluster, name, settings, console, force=force, sudo_password=sudo_password)
    console.done("is no longer in the cluster", name)


@app.command()
def drain(name: _Name) -> None:
    """Move a node's tasks elsewhere and give it no new ones, for example before its card is changed."""
    _set_availability(name, "drain", "takes no tasks")


@app.command()
def activate(name: _Name) -> None:
    """Let a drained node take tasks again."""
    _set_availability(name, "active", "takes tasks again")


def _set_availability(name: str, availability: str, told: str) -> None:
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415
    from piswarm.cluster.members import set_availability  # noqa: PLC0415

    console = context.console()
    set_availability(load_cluster(context.settings(), context.options().cluster), name, availability, console)
    console.done(told, name)
