"""`piswarm doctor`: everything that is wrong with the cluster, each with its remedy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from piswarm.cli import context, passwords


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor")(doctor)


def doctor(
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help="sudo password of the nodes: shows what only root sees."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Give the result as JSON.")] = False,
) -> None:
    """Check nodes, Swarm, services and the ways between nodes; exit with 1 when something is wrong.

    Example:  piswarm doctor
    """
    from piswarm.cluster.doctor import diagnose  # noqa: PLC0415
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415
    from piswarm.cluster.observe import show_findings  # noqa: PLC0415

    console, settings = context.console(as_json), context.settings()
    known = passwords.read(password_file, settings)
    cluster = load_cluster(settings, context.options().cluster)
    findings = diagnose(cluster, console, known.sudo or known.ssh)
    counts = Counter(found.level for found in findings)
    if not as_json:
        show_findings(findings, console)
    healthy = not counts["fault"]
    console.result(
        {
            "version": 1,
            "cluster": cluster.name,
            "healthy": healthy,
            "findings": [vars(one) for one in findings],
        },
        f"{counts['fault']} faults, {counts['warning']} warnings"
        + (": the cluster is healthy." if healthy else "; faults first, each with its remedy."),
    )
    if not healthy:
        raise typer.Exit(1)
