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


def set_options(*, cluster: str, quiet: bool, no_input: bool, debug: bool) -> None:
    """Keep the options of this run for the sub-command."""
    global _options  # noqa: PLW0603  (one command line a process)
    _options = Options(cluster, quiet, no_input, debug)
    console.cache_clear()


def options() -> Options:
    """Return the options of this run."""
    return _options


@cache
def console(as_json: bool = False) -> Console:
    """Return the console of this run; ask with `as_json` first in a command that has `--json`."""
    return Console(as_json=as_json, quiet=_options.quiet, no_input=_options.no_input)


@cache
def settings() -> Settings:
    """Return the user's settings."""
    return Settings.from_environment()
