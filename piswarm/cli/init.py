"""`piswarm init`: bare Pis become a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piswarm.cli import context, passwords
from piswarm.console import Console

if TYPE_CHECKING:
    from piswarm.cluster.init import InitResult
    from piswarm.cluster.site import InitOptions


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("init")(init)


def init(
    node: Annotated[
        list[str] | None, typer.Option("--node", help="Address of a node; instead of looking.")
    ] = None,
    interface: Annotated[
        list[str] | None, typer.Option("--interface", help="Network interface to look on.")
    ] = None,
    lab: Annotated[bool, typer.Option("--lab", help="Use the simulated Pis of 'piswarm lab up'.")] = False,
    user: Annotated[str, typer.Option("--user", help="Login user on the nodes (default: pi).")] = "",
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help="SSH password; in a second line sudo's, if it differs."),
    ] = None,
    managers: Annotated[
        int, typer.Option("--managers", help="How many managers (default: 1, from 3 nodes on 3).")
    ] = 0,
    docker_source: Annotated[
        str,
        typer.Option("--docker-source", help="Docker from its own repository (docker) or Debian's (distro)."),
    ] = "",
    base_image: Annotated[
        list[str] | None,
        typer.Option(
            "--base-image",
            help="Debian base of all images: a reference or an archive; ARCH=IMAGE for another architecture.",
        ),
    ] = None,
    image_arch: Annotated[
        str,
        typer.Option(
            "--image-arch", help="Architecture of images: armhf, arm64, amd64 (default: the manager's)."
        ),
    ] = "",
    gateway_image: Annotated[
        str,
        typer.Option("--gateway-image", help="Pull the gateway's image instead of building it (build: do)."),
    ] = "",
    registry_image: Annotated[
        str,
        typer.Option(
            "--registry-image", help="Pull the registry's image instead of building it (build: do)."
        ),
    ] = "",
    ca_bundle: Annotated[
        Path | None,
        typer.Option("--ca-bundle", help="Certificate authorities that the nodes are to trust, too."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing nodes.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Give the result as JSON.")] = False,
) -> None:
    """Find the Pis, install Docker, form a Swarm, start the function gateway.

    Example:  piswarm init --user pi
    """
    from piswarm.cluster.bases import split  # noqa: PLC0415
    from piswarm.cluster.init import initialise  # noqa: PLC0415
    from piswarm.cluster.site import InitOptions  # noqa: PLC0415

    console, settings = context.console(as_json), context.settings()
    main_base, other_bases = split(base_image or ())
    known = passwords.read(password_file, settings)
    options = InitOptions(
        cluster=context.options().cluster or settings.chosen_cluster or "home",
        nodes=tuple(node or ()),
        interfaces=tuple(interface or ()),
        user=user,
        password=known.ssh,
        sudo_password=known.sudo,
        managers=managers,
        docker_source=docker_source,
        base_image=main_base,
        other_base_images=other_bases,
        image_arch=image_arch,
        gateway_image=gateway_image,
        registry_image=registry_image,
        ca_bundle=ca_bundle,
        yes=yes,
        dry_run=dry_run,
    )
    if lab:
        options = _for_lab(options)
    show_result(initialise(options, settings, console), console)


def _for_lab(options: InitOptions) -> InitOptions:
    """Name what the lab knows of itself: interface, user, password and base image."""
    from dataclasses import replace  # noqa: PLC0415

    from piswarm.lab.facts import read_facts  # noqa: PLC0415

    facts = read_facts(context.settings(), context.console())
    return replace(
        options,
        cluster=context.options().cluster or facts.cluster,
        interfaces=options.interfaces or (facts.interface,),
        user=facts.user,
        password=facts.password,
        sudo_password=facts.password,
        docker_source=options.docker_source or "distro",
        base_image=options.base_image or facts.base_image,
    )


def show_result(result: InitResult, console: Console) -> None:
    """Give what came of it."""
    console.result(_document(result), _text(result))


def _document(result: InitResult) -> dict[str, object]:
    return {
        "version": 1,
        "changed": result.changed,
        "plan": result.plan.to_dict(),
        "findings": [vars(found) for found in result.findings],
        "gateway": result.cluster.gateway_url if result.cluster else None,
        "record": str(result.cluster.directory) if result.cluster else None,
    }


def _text(result: InitResult) -> str:
    if result.cluster is None:
        return "This was a dry run; nothing was changed."
    done = "The cluster is ready." if result.changed else "Nothing to change; the cluster is as it must be."
    return (
        f"{done}\n"
        f"  gateway   {result.cluster.gateway_url}/ui/   (user {result.cluster.gateway_credentials[0]}, "
        f"password in {result.cluster.directory / 'credentials.json'})\n"
        f"  next      piswarm new hello && piswarm deploy hello"
    )
