"""`piswarm new`, `deploy`, `rollback`, `history`: from source to a running version, and back."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piswarm.cli import context, target
from piswarm.errors import SpecError

if TYPE_CHECKING:
    from piswarm.console import Console
    from piswarm.functions.history import Entry
    from piswarm.functions.pushes import OpenPush
    from piswarm.functions.site import Deployed

_Name = Annotated[str, typer.Argument(help="The function's name.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Give the result as JSON.")]
_Timeout = Annotated[int, typer.Option("--timeout", help="Seconds until a version must answer.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("new")(new)
    app.command("deploy")(deploy)
    app.command("rollback")(rollback)
    app.command("history")(show_history)


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
    repo: Annotated[
        str, typer.Option("--repo", help="Take it from this git repository, not from here.")
    ] = "",
    ref: Annotated[str, typer.Option("--ref", help="Branch, tag or commit of that repository.")] = "",
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Take what is on the disk, committed or not.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Build anew, even when nothing has changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: _Timeout = 120,
    build_timeout: Annotated[
        int, typer.Option("--build-timeout", min=1, help="Seconds that the build may take.")
    ] = 1800,
    as_json: _Json = False,
) -> None:
    """Build a function from its git commit on the manager, and put it live.

    For example:  piswarm deploy hello
    """
    from piswarm.functions.deploy import Wish, deploy_function  # noqa: PLC0415
    from piswarm.functions.site import open_site  # noqa: PLC0415

    if dirty and repo:
        raise typer.BadParameter("--dirty is about the files here, --repo about those of a repository.")
    console, folder = context.console(as_json), Path.cwd()
    if not repo and not file:
        _offer_example(console, name, folder, yes=yes)
    wish = Wish(
        name, folder, file=file, repo=repo, ref=ref, variables=os.environ,
        is_dirty=dirty, is_forced=force, is_dry_run=dry_run, live_timeout_s=timeout,
        build_timeout_s=build_timeout,
    )  # fmt: skip
    with open_site(target.cluster(), console) as site:
        deployed = deploy_function(site, wish)
    console.result(_document(deployed), "" if dry_run else _sentence(deployed))


def rollback(
    name: _Name,
    version: Annotated[int, typer.Argument(help="Its number in the history (default: the one before).")] = 0,
    timeout: _Timeout = 120,
    as_json: _Json = False,
) -> None:
    """Go back to a version that was live; nothing is built.

    For example:  piswarm rollback hello      or:  piswarm rollback hello 3
    """
    from piswarm.functions.rollback import rollback_function  # noqa: PLC0415
    from piswarm.functions.site import open_site  # noqa: PLC0415

    console = context.console(as_json)
    with open_site(target.cluster(), console) as site:
        deployed = rollback_function(site, name, version, live_timeout_s=timeout)
    console.result(_document(deployed), _sentence(deployed))


def show_history(name: _Name, as_json: _Json = False) -> None:
    """Show the versions of a function that were live or failed on the way, the newest first."""
    from piswarm.functions.site import open_site  # noqa: PLC0415

    console = context.console(as_json)
    with open_site(target.cluster(), console) as site:
        running = site.gateway.existing(name)
        kept, pushes = site.history(name), site.open_pushes(name)
    live = next((entry for entry in kept if entry.image == running["image"]), None)
    rows = [
        (
            f"{entry.number}{'*' if entry is live else ''}", entry.commit[:12], entry.at, entry.by,
            entry.author, _story(entry),
        )
        for entry in kept
    ]  # fmt: skip
    table = console.table(("VERSION", "COMMIT", "WHEN", "BY", "AUTHOR", "SUBJECT"), rows)
    text = f"{table}\n* is live" if rows else f"No version of {name} was deployed with piswarm."
    document = {
        "version": 1,
        "function": name,
        "live": live.number if live else None,
        "versions": [asdict(entry) for entry in kept],
        "pushes": [asdict(push) for push in pushes],
    }
    console.result(document, "\n".join([text, *map(_sentence_about, pushes)]))


def _story(entry: Entry) -> str:
    """Return what a version is and how it came, or why it did not."""
    if entry.failure:
        return f"{entry.subject} (never live: {entry.failure})"
    return f"{entry.subject} ({entry.note})" if entry.note else entry.subject


def _sentence_about(push: OpenPush) -> str:
    who = f" by {push.pusher}" if push.pusher else ""
    state = "could not be deployed" if push.is_over else "is on its way"
    return f"The push of {push.commit[:12]}{who} {state}: {push.reason or push.state}"


def _create(console: Console, folder: Path, name: str, lang: str, *, example: bool) -> None:
    from piswarm.functions.create import create_function  # noqa: PLC0415

    created = create_function(folder, name, lang, example=example)
    for file in created.files:
        console.done(file)
    if created.is_committed:
        console.note(f"Committed in a new git repository. Put it live: piswarm deploy {name}")
    else:
        console.note(f"Commit it (git add {name}.yml {name} && git commit), then: piswarm deploy {name}")


def _offer_example(console: Console, name: str, folder: Path, *, yes: bool) -> None:
    """Make the example of this name where a user asks for it and has nothing yet."""
    from piswarm.functions.create import EXAMPLES  # noqa: PLC0415
    from piswarm.functions.version import find_stack_file  # noqa: PLC0415

    try:
        find_stack_file(name, folder, "")
    except SpecError:
        if name not in EXAMPLES or any(folder.iterdir()):
            raise
        question = f"There is no {name}.yml here. Start from the example that comes with piswarm?"
        if not yes and not console.confirm(question):
            raise
        _create(console, folder, name, "", example=True)


def _document(deployed: Deployed) -> dict[str, object]:
    return {
        "version": 1,
        "function": deployed.function,
        "url": deployed.url,
        "commit": deployed.commit,
        "image": deployed.image,
        "changed": deployed.is_changed,
        "number": deployed.number,
    }


def _sentence(deployed: Deployed) -> str:
    if not deployed.is_changed:
        return f"{deployed.function}: nothing to change. It answers at {deployed.url}"
    return f"{deployed.function} is live at {deployed.url} (version {deployed.number})"
