"""`piswarm lab`: simulated Pis on this machine."""

# The engine's client is imported where it is used: it would double the time of `piswarm --help`.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from piswarm.cli import context

if TYPE_CHECKING:
    from piswarm.lab.names import Lab
    from piswarm.lab.status import LabStatus

app = typer.Typer(
    help="Simulated Pis on this machine: for trying piswarm without boards, and for its tests.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Name = Annotated[
    str, typer.Option("--lab", envvar="PISWARM_LAB", help="Name of the lab; several can live side by side.")
]
_SameNames = Annotated[
    bool, typer.Option("--same-names", help="Call all of them raspberrypi, like cards flashed alike.")
]
_Silent = Annotated[bool, typer.Option("--silent", help="Announce nothing over mDNS, like older images.")]
_Purge = Annotated[bool, typer.Option("--purge", help="Remove the cached images and archives too.")]
_Arch = Annotated[str, typer.Option("--arch", help="amd64, arm64 or armhf (default: this machine's).")]
_Command = Annotated[list[str] | None, typer.Argument(help="What to run there (default: a login shell).")]
_Node = Annotated[str, typer.Argument(help="A node of the lab, for example pi1.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Give the result as JSON.")]


@app.command()
def up(
    nodes: Annotated[int, typer.Option("--nodes", "-n", help="How many simulated Pis.")] = 3,
    same_names: _SameNames = False,
    silent: _Silent = False,
    name: _Name = "lab",
    as_json: _AsJson = False,
) -> None:
    """Boot simulated Pis: systemd, SSH with a password, mDNS, no Docker.

    Example:  piswarm lab up --nodes 3 && piswarm init --lab
    """
    from piswarm.lab.up import bring_up

    console = context.console(as_json)
    status = bring_up(
        _lab(name), context.settings(), console, nodes=nodes, same_names=same_names, silent=silent
    )
    console.result(status.document(), f"{_table(status)}\nNext:  piswarm init --lab")


@app.command()
def down(
    purge: _Purge = False,
    name: _Name = "lab",
) -> None:
    """Remove the lab: nodes, disks, network, and the record of the cluster on it."""
    from piswarm.lab.down import take_down

    take_down(_lab(name), context.settings(), context.console(), purge=purge)


@app.command()
def status(name: _Name = "lab", as_json: _AsJson = False) -> None:
    """Show the lab's nodes."""
    from piswarm.lab import engine
    from piswarm.lab.status import read_status

    found = read_status(engine.connect(), _lab(name))
    console = context.console(as_json)
    down = f"The lab '{name}' is down.\nNext:  piswarm lab up"
    console.result(found.document(), _table(found) if found.nodes else down)


@app.command()
def base(arch: _Arch = "", as_json: _AsJson = False) -> None:
    """Make a bare Debian for `piswarm init --base-image`, and give its path.

    Example:  piswarm init --base-image $(piswarm lab base --arch armhf)
    """
    from piswarm.lab.facts import read_base

    console = context.console(as_json)
    source = read_base(context.settings(), console, arch)
    console.result({"version": 1, "base_image": source}, source)


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
def ssh(
    node: _Node,
    command: _Command = None,
    name: _Name = "lab",
) -> None:
    """Log in to a node by SSH; as long as it is not part of a cluster, the password is raspberry.

    Example:  piswarm lab ssh pi1 -- uname -a
    """
    from piswarm.lab.control import ssh_command

    argv = ssh_command(_lab(name), context.settings(), node, command or [])
    os.execvp(argv[0], argv)  # noqa: S606  (the user's own ssh takes this process's place)


@app.command()
def kill(node: _Node, name: _Name = "lab") -> None:
    """Cut a node's power: its processes die at once, its disk stays."""
    from piswarm.lab.control import kill_node

    with context.console().step("power cut", node):
        kill_node(_lab(name), node)


@app.command()
def start(node: _Node, name: _Name = "lab") -> None:
    """Give a node its power back, and wait until it has booted."""
    from piswarm.lab.control import start_node

    with context.console().step("boot", node):
        start_node(_lab(name), node)


def _lab(name: str) -> Lab:
    from piswarm.lab.names import Lab

    return Lab(name)


def _table(status: LabStatus) -> str:
    rows = [(node.name, node.address, node.mac, node.state) for node in status.nodes]
    return context.console().table(("NODE", "ADDRESS", "MAC", "STATE"), rows)
