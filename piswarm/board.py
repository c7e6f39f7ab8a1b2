"""What a terminal shows while a step is under way: the step, and a line for each node that is at work."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_REFRESHES_A_SECOND = 8


class Board:
    """A few lines at the bottom of the terminal that are drawn anew as things change.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = RichConsole(file=stream, highlight=False, markup=False)
        self._spinner = Spinner("dots")
        self._steps: list[str] = []
        self._doing = ""
        self._nodes: dict[str, str] = {}
        self._live: Live | None = None

    def begin(self, step: str) -> None:
        """Show that `step` is under way, inside the one that is so already, if there is one."""
        self._steps.append(step)
        self._doing = ""
        if self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._picture,
                refresh_per_second=_REFRESHES_A_SECOND,
                transient=True,
            )
            self._live.start()

    def end(self) -> None:
        """Take the last step off the board; with the first one the board is gone."""
        self._steps.pop()
        self._doing = ""
        if not self._steps and self._live is not None:
            self._live.stop()
            self._live = None
            self._nodes.clear()

    def show(self, text: str, node: str = "") -> None:
        """Show what a node is doing, or what the step is doing."""
        if node:
            self._nodes[node] = text
        else:
            self._doing = text

    def say(self, line: str) -> bool:
        """Write a line above the board; return whether there is a board to write it above."""
        if self._live is None:
            return False
        self._live.console.print(Text.from_ansi(line), soft_wrap=True)
        return True

    def _picture(self) -> RenderableType:
        step = self._steps[-1] if self._steps else ""
        self._spinner.update(
            text=Text(f"{step}: {self._doing}" if self._doing else step, overflow="ellipsis")
        )
        width = max(map(len, self._nodes), default=0)
        lines = [
            Text(f"    {node:<{width}}  {text}", overflow="ellipsis", no_wrap=True, style="dim")
            for node, text in self._nodes.items()
        ]
        return Group(self._spinner, *lines)
