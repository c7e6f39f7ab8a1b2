"""`piswarm status`: what the cluster is like now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from piswarm.cli import context

if TYPE_CHECKING:
    from piswarm.cluster.status import ClusterStatus


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("status")(status)


def status(as_json: Annotated[bool, typer.Option("--json", help="Give the result as JSON.")] = False) -> None:
    """Show the cluster's nodes, what runs on it, and where its gateway is.

    Example:  piswarm status
    """
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415
    from piswarm.cluster.status import read_status  # noqa: PLC0415

    console = context.console(as_json)
    seen = read_status(load_cluster(context.settings(), context.options().cluster), console)
    console.result(_document(seen), _text(seen))
    if not seen.healthy:
        console.warn("Not everything runs as it should; 'piswarm doctor' tells why.")


def node_documents(seen: ClusterStatus) -> list[dict[str, object]]:
    """Return the nodes as plain data, for JSON."""
    return [
        {
            "name": node.record.name,
            "address": node.record.address,
            "role": node.role,
            "leader": bool(node.member and node.member.leader),
            "state": node.state,
            "arch": node.record.arch,
            "model": node.record.model,
            "memory_mb": node.record.memory_mb,
        }
        for node in seen.nodes
    ]


def node_table(seen: ClusterStatus) -> str:
    """Return the nodes as a table, for people."""
    return context.console().table(
        ("NODE", "ADDRESS", "ROLE", "STATE", "ARCH", "MEMORY", "MODEL"),
        [
            (
                node.record.name,
                node.record.address,
                f"{node.role} (leader)" if node.member and node.member.leader else node.role,
                node.state,
                node.record.arch,
                f"{node.record.memory_mb} MiB",
                node.record.model or "-",
            )
            for node in seen.nodes
        ],
    )


def _document(seen: ClusterStatus) -> dict[str, object]:
    return {
        "version": 1,
        "cluster": seen.cluster.name,
        "healthy": seen.healthy,
        "gateway": seen.cluster.gateway_url,
        "user": seen.cluster.gateway_credentials[0],
        "credentials_file": str(seen.cluster.directory / "credentials.json"),
        "nodes": node_documents(seen),
        "services": {
            name: {"running": run, "wanted": wanted} for name, (run, wanted) in seen.services.items()
        },
    }


def _text(seen: ClusterStatus) -> str:
    services = context.console().table(
        ("SERVICE", "RUNNING"),
        [(name, f"{run} of {wanted}") for name, (run, wanted) in sorted(seen.services.items())],
    )
    return (
        f"{node_table(seen)}\n\n{services}\n\n"
        f"gateway   {seen.cluster.gateway_url}/ui/\n"
        f"login     user {seen.cluster.gateway_credentials[0]}, "
        f"password in {seen.cluster.directory / 'credentials.json'}"
    )
