"""The commands about functions; those about one that runs are here."""

from __future__ import annotations

import json
import re
import sys
import webbrowser
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from piswarm.cli import context, deploying, hook, secrets, target
from piswarm.errors import GatewayError

_Name = Annotated[str, typer.Argument(help="The function's name.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Give the result as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands about functions to `app`."""
    deploying.register(app)
    hook.register(app)
    app.command("invoke")(invoke)
    app.command("list")(list_functions)
    app.command("describe")(describe)
    app.command("logs")(logs)
    app.command("scale")(scale)
    app.command("remove")(remove)
    app.command("open")(open_page)
    app.add_typer(secrets.app, name="secret")


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
    headers = _headers(header)
    answer = target.gateway().invoke(
        name, _body(data), method=method.upper(), path=path, headers=headers, timeout_s=timeout
    )
    if answer.status >= 400:
        said = " ".join(answer.body.decode(errors="replace").split())[:500].rstrip(".")
        raise GatewayError(f"{name} answered with status {answer.status}: {said or 'no text'}.")
    console.raw(answer.body)
    if answer.body and not answer.body.endswith(b"\n") and sys.stdout.isatty():
        console.raw(b"\n")


def list_functions(as_json: _Json = False) -> None:
    """List the functions of the cluster."""
    console = context.console(as_json)
    functions = target.gateway().functions()
    rows = [_row(status) for status in functions]
    columns = ("FUNCTION", "REPLICAS", "CALLS", "COMMIT", "IMAGE")
    text = (
        console.table(columns, rows) if rows else "No function is deployed yet. Start one: piswarm new hello"
    )
    console.result({"version": 1, "functions": functions}, text)


def describe(name: _Name, as_json: _Json = False) -> None:
    """Show everything about one function."""
    console, cluster = context.console(as_json), target.cluster()
    status = target.gateway(cluster).existing(name)
    url = f"{cluster.gateway_url}/function/{name}"
    rows = [
        ("url", url),
        *((key, _value(value)) for key, value in status.items() if value not in (None, "", [], {})),
    ]
    console.result({"version": 1, "url": url, "function": status}, console.table(("WHAT", "VALUE"), rows))


def logs(
    name: _Name,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    tail: Annotated[int, typer.Option("--tail", help="How many of the last lines (default: all).")] = -1,
    since: Annotated[str, typer.Option("--since", help="How far back: 90s, 10m, 2h.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Give one JSON object a line.")] = False,
) -> None:
    """Show what the replicas of a function wrote.

    For example:  piswarm logs hello --follow
    """
    console, moment = context.console(as_json), _moment(since)
    try:
        for line in target.gateway().logs(name, follow=follow, tail=tail, since=moment):
            text = (
                json.dumps(line)
                if as_json
                else f"{str(line.get('instance', ''))[:12]} {line.get('text', '')}"
            )
            console.raw(f"{text}\n".encode())
    except KeyboardInterrupt:
        if not follow:
            raise


def scale(
    name: _Name, replicas: Annotated[int, typer.Argument(min=0, help="How many.", show_default=False)]
) -> None:
    """Set how many replicas of a function there are to be."""
    target.gateway().scale(name, replicas)
    context.console().done(f"{name} is to have {replicas} replica{'' if replicas == 1 else 's'}")


def remove(
    name: _Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Take a function out of the cluster, with its history and its images; its source stays."""
    from piswarm.functions.remove import remove_function  # noqa: PLC0415
    from piswarm.functions.site import open_site  # noqa: PLC0415

    console = context.console()
    with open_site(target.cluster(), console) as site:
        site.gateway.existing(name)
        if not yes and not console.confirm(f"Remove {name} from the cluster, with its history?"):
            raise GatewayError(f"{name} was not removed.")
        remove_function(site, name)
    console.done(f"{name} is removed")


def open_page() -> None:
    """Open the gateway's page in the browser."""
    cluster = target.cluster()
    page = f"{cluster.gateway_url}/ui/"
    user, _ = cluster.gateway_credentials
    console = context.console()
    console.note(f"Log in as {user}; the password is in {cluster.directory / 'credentials.json'}")
    if not webbrowser.open(page):
        console.note("There is no browser here.")
    console.result({"version": 1, "page": page}, page)


def _moment(ago: str) -> str:
    """Return the time that is `ago` (`90s`, `10m`, `2h`, `1d`) before now, in RFC 3339."""
    if not ago:
        return ""
    match = re.fullmatch(r"(\d+)([smhd])", ago)
    if not match:
        raise typer.BadParameter(f"'{ago}' is not a time such as 90s, 10m or 2h.", param_hint="--since")
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
    return (
        (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")
    )


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


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
