"""`piswarm hook`: let a git server put a function live."""

from __future__ import annotations

from typing import Annotated

import typer

from piswarm.cli import context, target

_WHERE = """
In the repository on the git server:
  Gogs     Settings > Webhooks > Add a new webhook > Gogs
  Gitea    Settings > Webhooks > Add Webhook > Gitea
  GitHub   Settings > Webhooks > Add webhook
  GitLab   Settings > Webhooks > Add new webhook (the secret is its 'secret token')
Give it the URL, the secret and the content type, and let it send push events only.
What comes of each push: piswarm history {function}"""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("hook")(hook)


def hook(
    name: Annotated[str, typer.Argument(help="The function's name.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Give the result as JSON.")] = False,
) -> None:
    """Show what to tell a git server so that a push puts a function live.

    For example:  piswarm deploy hello --repo URL && piswarm hook hello
    """
    from piswarm.functions.hook import CONTENT_TYPE, make_hook  # noqa: PLC0415
    from piswarm.functions.site import open_site  # noqa: PLC0415

    console = context.console(as_json)
    with open_site(target.cluster(), console) as site:
        made = make_hook(site, name)
    facts = {
        "url": made.url,
        "secret": made.secret.reveal(),
        "content_type": CONTENT_TYPE,
        "repository": made.repository,
        "branch": made.branch,
    }
    rows = [(what.replace("_", " "), value) for what, value in facts.items()]
    text = f"{console.table(('WHAT', 'VALUE'), rows)}\n{_WHERE.format(function=name)}"
    console.result({"version": 1, "function": name, **facts}, text)
