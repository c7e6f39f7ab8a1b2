"""What every command shares: the options before the sub-command, the console, the settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from piswarm.console import Console
from piswarm.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options that stand before the sub-command."""

    cluster: str = ""
    quiet: bool = False
    no_input: bool = False
    debug: bool = False


_options = Options()
_console: Console | None = None


def set_options(*, cluster: str, quiet: bool, no_input: bool, debug: bool) -> None:
    """Keep the options of this run for the sub-command."""
    global _options, _console  # noqa: PLW0603  (one command line a process)
    _options = Options(cluster, quiet, no_input, debug)
    _console = None


def options() -> Options:
    """Return the options of this run."""
    return _options


def console(as_json: bool = False) -> Console:
    """Return the console of this run; a command that has `--json` asks first and decides for all others."""
    global _console  # noqa: PLW0603  (one command line a process)
    if _console is None:
        _console = Console(as_json=as_json, quiet=_options.quiet, no_input=_options.no_input)
    return _console


@cache
def settings() -> Settings:
    """Return the user's settings."""
    return Settings.from_environment()
