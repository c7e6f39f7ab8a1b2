"""`piswarm new`, `deploy`, `invoke`, `list`, `remove`: from source to an answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from piswarm.cli import context
from piswarm.errors import GatewayError, SpecError

if TYPE_CHECKING:
    from piswarm.cluster.inventory import Cluster
    from piswarm.console import Console
    from piswarm.functions.deploy import Deployed
    from piswarm.functions.gateway import GatewayClient

_Name = Annotated[str, typer.Argument(help="The function's name.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Give the result as JSON.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands about functions to `app`."""
    app.command("new")(new)
    app.command("deploy")(deploy)
    app.command("invoke")(invoke)
    app.command("list")(list_functions)
    app.command("remove")(remove)


def new(
    name: _Name,
    lang: Annotated[str, typer.Option("--lang", help="Its language.")] = "python3",
    example: Annotated[bool, typer.Option("--example", help="Start from the example of this name.")] = False,
) -> None:
    """Start a function: write NAME.yml and NAME/ with a first handler.

    For example:  piswarm new hello      or:  piswarm new functest --example
    """
    _create(context.console(), Path.cwd(), name, lang, example=example)


def deploy(
    name: _Name,
    *,
    file: Annotated[
        str, typer.Option("--file", "-f", help="Its file (default: NAME.yml or stack.yml).")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Build anew, even when nothing has changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    yes: _Yes = False,
    timeout: Annotated[int, typer.Option("--timeout", help="Seconds until a version must answer.")] = 120,
    as_json: _Json = False,
) -> None:
    """Build a function from its git commit on the manager, and put it live.

    For example:  piswarm deploy hello
    """
    from piswarm.functions.deploy import deploy_function  # noqa: PLC0415

    console = context.console(as_json)
    folder = Path.cwd()
    _offer_example(console, name, folder, file, yes=yes)
    deployed = deploy_function(
        _cluster(), console, name, folder,
        file=file, variables=os.environ, is_forced=force, is_dry_run=dry_run, live_timeout_s=timeout,
    )  # fmt: skip
    console.result(_deployed_document(deployed), _deployed_text(deployed, dry_run=dry_run))


def invoke(
    name: _Name,
    *,
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="The body (default: standard input).")
    ] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="HTTP method.")] = "POST",
    path: Annotated[str, typer.Option("--path", help="Path and query behind the function's name.")] = "",
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="A header, as 'Name: value'.")
    ] = None,
    timeout: Annotated[int, typer.Option("--timeout", help="Seconds to wait for the answer.")] = 300,
) -> None:
    """Call a function and give its answer on standard output.

    For example:  echo Pi | piswarm invoke hello      or:  piswarm invoke hello --data Pi
    """
    console = context.console()
    answer = _gateway().invoke(
        name, _body(data), method=method.upper(), path=path, headers=_headers(header), timeout_s=timeout
    )
    if answer.status >= 400:
        said = " ".join(answer.body.decode(errors="replace").split())[:500]
        raise GatewayError(
            f"{name} answered with status {answer.status}: {said or 'no text'}",
            f"Its log tells more: piswarm logs {name}",
        )
    console.raw(answer.body)
    if answer.body and not answer.body.endswith(b"\n") and sys.stdout.isatty():
        console.raw(b"\n")


def list_functions(as_json: _Json = False) -> None:
    """List the functions of the cluster."""
    console = context.console(as_json)
    functions = _gateway().functions()
    rows = [_row(status) for status in functions]
    columns = ("FUNCTION", "REPLICAS", "CALLS", "COMMIT", "IMAGE")
    text = (
        console.table(columns, rows) if rows else "No function is deployed yet. Start one: piswarm new hello"
    )
    console.result({"version": 1, "functions": functions}, text)


def remove(name: _Name, yes: _Yes = False) -> None:
    """Take a function out of the cluster; its source and its images stay."""
    console = context.console()
    gateway = _gateway()
    gateway.existing(name)
    if not yes and not console.confirm(f"Remove {name} from the cluster?"):
        raise GatewayError(f"{name} was not removed.")
    gateway.remove(name)
    console.done(f"{name} is removed")


def _cluster() -> Cluster:
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415

    return load_cluster(context.settings(), context.options().cluster)


def _gateway() -> GatewayClient:
    from piswarm.functions.gateway import GatewayClient  # noqa: PLC0415

    cluster = _cluster()
    return GatewayClient(cluster.gateway_url, *cluster.gateway_credentials)


def _create(console: Console, folder: Path, name: str, lang: str, *, example: bool) -> None:
    from piswarm.functions.create import create_function  # noqa: PLC0415

    created = create_function(folder, name, lang, example=example)
    for file in created.files:
        console.done(file)
    if created.is_committed:
        console.note(f"Committed in a new git repository. Put it live: piswarm deploy {name}")
    else:
        console.note(f"Commit it: git add {name}.yml {name}; git commit. Then: piswarm deploy {name}")


def _offer_example(console: Console, name: str, folder: Path, file: str, *, yes: bool) -> None:
    """Make the example of this name where a user asks for it and has nothing yet."""
    from piswarm.functions.create import EXAMPLES  # noqa: PLC0415
    from piswarm.functions.deploy import find_stack_file  # noqa: PLC0415

    try:
        find_stack_file(name, folder, file)
    except SpecError:
        if name not in EXAMPLES or file or any(folder.iterdir()):
            raise
        question = f"There is no {name}.yml here. Start from the example that comes with piswarm?"
        if not yes and not console.confirm(question):
            raise
        _create(console, folder, name, "", example=True)


def _body(data: str | None) -> bytes:
    if data is not None:
        return data.encode()
    return b"" if sys.stdin.isatty() else sys.stdin.buffer.read()


def _headers(texts: list[str] | None) -> dict[str, str]:
    headers = {}
    for text in texts or []:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise typer.BadParameter(f"'{text}' is not 'Name: value'.", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers


def _row(status: dict[str, Any]) -> tuple[object, ...]:
    commit = (status.get("annotations") or {}).get("piswarm.commit", "")
    replicas = f"{status.get('availableReplicas', 0)}/{status.get('replicas', 0)}"
    image = str(status["image"]).partition("@")[0]
    return (status["name"], replicas, int(status.get("invocationCount") or 0), commit[:12] or "-", image)


def _deployed_document(deployed: Deployed) -> dict[str, object]:
    return {
        "version": 1,
        "function": deployed.function,
        "url": deployed.url,
        "commit": deployed.commit,
        "image": deployed.image,
        "changed": deployed.is_changed,
    }


def _deployed_text(deployed: Deployed, *, dry_run: bool) -> str:
    if dry_run:
        return ""
    if not deployed.is_changed:
        return f"{deployed.function}: nothing to change. It answers at {deployed.url}"
    return f"{deployed.function} is live at {deployed.url}"
