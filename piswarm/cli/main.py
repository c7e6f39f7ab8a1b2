"""The `piswarm` command: its sub-commands, and the one place where errors become an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from piswarm import __version__
from piswarm.cli import context, discover, doctor, functions, init, lab, node, reset, status
from piswarm.errors import EXIT_BUG, EXIT_INTERRUPTED, PiswarmError

app = typer.Typer(
    name="piswarm",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for command in (init, discover, status, doctor, functions, reset):
    command.register(app)
app.add_typer(node.app, name="node")
app.add_typer(lab.app, name="lab")


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    cluster: Annotated[
        str, typer.Option("--cluster", "-c", help="The cluster (default: the last used).")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask; fail where one must.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of expected errors.")] = False,
) -> None:
    """Turn a pile of Raspberry Pis into a private serverless cloud.

    First steps:  piswarm init      then:  piswarm new hello && piswarm deploy hello
    """
    context.set_options(cluster=cluster, quiet=quiet, no_input=no_input, debug=debug)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: the words after `piswarm` (default: those of the process).
    """
    sys.exit(run(lambda: app(args=arguments, standalone_mode=True)))


def run(command: Callable[[], object]) -> int:
    """Run `command`; tell expected errors in a sentence and return the exit code."""
    try:
        command()
    except PiswarmError as error:
        if context.options().debug:
            traceback.print_exc()
        context.console().error(error)
        return error.exit_code
    except KeyboardInterrupt:
        context.console().warn("Interrupted. What was done stays done; run the same command again to go on.")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the border of the program: a bug is told as a bug)
        traceback.print_exc()
        kind = type(error).__name__
        context.console().fault(f"This is a bug in piswarm {__version__} ({kind}); please report it.")
        return EXIT_BUG
    return 0
