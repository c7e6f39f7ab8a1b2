"""`piswarm secret ...`: what functions must know and nobody else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from piswarm.cli import context, target
from piswarm.errors import ConfigError, GatewayError

app = typer.Typer(no_args_is_help=True, help="Secrets that functions read from /var/openfaas/secrets/NAME.")

_Name = Annotated[str, typer.Argument(help="The secret's name.", show_default=False)]
_FromFile = Annotated[
    Path | None, typer.Option("--from-file", help="Take the value from this file, as it is.")
]


@app.command()
def create(name: _Name, from_file: _FromFile = None) -> None:
    """Keep a new secret; its value comes from standard input, a question, or a file.

    For example:  piswarm secret create api-key < key.txt
    """
    target.gateway().create_secret(name, _value(name, from_file))
    context.console().done(f"Secret {name} is kept; a function names it under 'secrets:' in its file")


@app.command()
def update(name: _Name, from_file: _FromFile = None) -> None:
    """Give a secret another value; functions that use it are restarted one by one."""
    target.gateway().update_secret(name, _value(name, from_file))
    context.console().done(f"Secret {name} has another value")


@app.command("list")
def list_secrets(
    as_json: Annotated[bool, typer.Option("--json", help="Give the result as JSON.")] = False,
) -> None:
    """List the names of the secrets; values are never shown."""
    console = context.console(as_json)
    names = target.gateway().secrets()
    console.result({"version": 1, "secrets": names}, "\n".join(names) or "There are no secrets.")


@app.command()
def remove(
    name: _Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Forget a secret."""
    console = context.console()
    if not yes and not console.confirm(f"Forget the secret {name}?"):
        raise GatewayError(f"The secret {name} was not removed.")
    target.gateway().remove_secret(name)
    console.done(f"Secret {name} is removed")


def _value(name: str, from_file: Path | None) -> bytes:
    """Read a value without its ever being on a command line; the last line end of typed text is left out."""
    if from_file is not None:
        try:
            return from_file.read_bytes()
        except OSError as error:
            raise ConfigError(f"The file {from_file} cannot be read: {error.strerror}.") from error
    if sys.stdin.isatty():
        return context.console().ask_secret(f"Value of {name}", flag="--from-file").reveal().encode()
    value = sys.stdin.buffer.read().removesuffix(b"\n")
    if not value:
        raise ConfigError(f"There is no value for the secret {name} on standard input.")
    return value
