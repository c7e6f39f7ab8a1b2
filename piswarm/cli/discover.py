"""`piswarm discover`: what is on the network."""

# The network's libraries are imported where they are used: they would slow down `piswarm --help`.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from piswarm.cli import context
from piswarm.errors import DiscoveryError, LabError

if TYPE_CHECKING:
    from piswarm.cluster.sighting import Sighting


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("discover")(discover)


def discover(
    interface: Annotated[
        list[str] | None, typer.Option("--interface", help="Network interface to look on.")
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Also try the SSH port of each address around.")
    ] = False,
    lab: Annotated[bool, typer.Option("--lab", help="Look on the lab of 'piswarm lab up'.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Give the result as JSON.")] = False,
) -> None:
    """Find the Pis on the network, and whatever else answers there.

    Example:  piswarm discover --interface eth0
    """
    from piswarm.cluster.discover import look_around
    from piswarm.cluster.links import default_interfaces

    console = context.console(as_json)
    interfaces = [*(interface or ()), *([_lab_interface()] if lab else ())] or default_interfaces()
    where = ", ".join(interfaces) or "this computer's networks"
    with console.step(f"Looking around on {where}"):
        seen = look_around(interfaces, sweep=sweep)
    if not seen:
        raise DiscoveryError(
            f"No node was found on {where}.",
            "See that the Pis are on and on this network; those that keep silent may be found with --sweep.",
        )
    console.result(_document(interfaces, seen), _text(seen))


def _lab_interface() -> str:
    from piswarm.lab import engine
    from piswarm.lab.names import Lab
    from piswarm.lab.status import read_status

    status = read_status(engine.connect(), Lab.from_environment())
    if not status.nodes:
        raise LabError(f"The lab '{status.name}' is down.", "Bring it up: piswarm lab up --nodes 3")
    return status.interface


def _document(interfaces: Sequence[str], seen: Sequence[Sighting]) -> dict[str, object]:
    return {
        "version": 1,
        "interfaces": list(interfaces),
        "nodes": [
            {
                "name": one.name,
                "address": one.address,
                "addresses": list(one.addresses),
                "mac": one.mac,
                "kind": one.kind,
                "cluster": one.cluster,
                "role": one.role,
                "seen_by": list(one.seen_by),
                "banner": one.banner,
            }
            for one in seen
        ],
    }


def _text(seen: Sequence[Sighting]) -> str:
    rows = [(one.name, ", ".join(one.addresses), one.mac or "unknown", _kind(one)) for one in seen]
    return context.console().table(("NAME", "ADDRESS", "MAC", "KIND"), rows)


def _kind(one: Sighting) -> str:
    if one.cluster:
        return f"{one.role or 'member'} of cluster '{one.cluster}'"
    return "Raspberry Pi" if one.is_raspberry_pi else "other"
