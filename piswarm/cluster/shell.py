"""What is needed of a node to build and deploy there: its shell, over SSH or, on the node itself, directly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from piswarm.errors import ConnectError


@dataclass(frozen=True)
class Result:
    """What a command on a node gave.

    Attributes:
        stdout: its standard output.
        stderr: its standard error.
        exit_code: its exit code.
    """

    stdout: str
    stderr: str
    exit_code: int


class Held(Protocol):
    """A command on a node that goes on until its standard input is closed."""

    def read_line(self) -> str:
        """Return the next line that it prints, without its end; empty when it has ended."""

    def read_errors(self) -> str:
        """Return all that it wrote to its standard error; call this when it has ended."""


class Shell(Protocol):
    """The shell of a node.

    Attributes:
        node: name of the node, for messages.
    """

    node: str

    def run(self, command: str, *, timeout_s: float, check: bool = True) -> Result:
        """Run a shell command and wait for its end.

        Args:
            command: the command line; quote what comes from users. No secrets: it is visible to others there.
            timeout_s: seconds until it is given up.
            check: raise when it fails.

        Raises:
            ConnectError: the node was lost, the time was up, or (with `check`) the command failed.
        """

    def stream(self, command: str, on_line: Callable[[str], None], *, timeout_s: float) -> int:
        """Run a shell command and hand on each line of its output (both streams) as it comes.

        Args:
            command: the command line, as for `run`.
            on_line: is called with each line, without its end.
            timeout_s: seconds until the command is given up.

        Returns:
            The exit code.

        Raises:
            ConnectError: the node was lost, or the time was up.
        """

    def held(self, command: str, *, timeout_s: float) -> AbstractContextManager[Held]:
        """Run a shell command during the `with` block; its standard input is closed at the end, whatever happens.

        Args:
            command: the command line, as for `run`.
            timeout_s: seconds to wait for each line.

        Raises:
            ConnectError: the node was lost, or a line did not come in time.
        """

    def put(self, content: bytes, path: str, mode: int) -> None:
        """Write a file atomically.

        Args:
            content: what to write.
            path: absolute path on the node.
            mode: permission bits.

        Raises:
            ConnectError: it could not be written.
        """

    def git_address(self, path: str) -> str:
        """Return the address under which git reaches the repository at `path` on the node."""

    def ssh_command(self) -> list[str]:
        """Return the words of the `ssh` command with which git reaches the node."""


def failed(node: str, command: str, result: Result) -> ConnectError:
    """Return the error that tells of a command that failed."""
    return ConnectError(
        f"{node}: '{shortened(command)}' failed with exit code {result.exit_code}: "
        f"{_tail(result.stderr or result.stdout)}"
    )


def too_slow(node: str, command: str, timeout_s: float) -> ConnectError:
    """Return the error that tells of a command that gave nothing in its time."""
    return ConnectError(
        f"{node}: '{shortened(command)}' gave no result within {timeout_s:.0f} s.",
        "The node may be overloaded or its disk slow; try again, or look at it with 'ssh'.",
    )


def still_running(node: str, command: str, timeout_s: float) -> ConnectError:
    """Return the error that tells of a command whose output did not end in its time."""
    return ConnectError(f"{node}: '{shortened(command)}' was still running after {timeout_s:.0f} s.")


def shortened(command: str) -> str:
    """Return a command line in one line of at most 80 characters, for messages."""
    line = " ".join(command.split())
    return line if len(line) <= 80 else f"{line[:77]}..."


def _tail(text: str, lines: int = 3) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-lines:]) or "no output"
