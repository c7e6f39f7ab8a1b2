"""The only place that prints.

Data goes to stdout; progress, questions and errors go to stderr. On a terminal, progress is drawn with a
spinner; otherwise each step is a plain line when it begins and when it ends. With `--json`, progress is one
JSON object a line on stderr and the result one JSON document on stdout. The callers never know which.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from piswarm.errors import PiswarmError, UsageError
from piswarm.secret import Secret

if TYPE_CHECKING:
    from piswarm.board import Board

_COLOURS = {"ok": "32", "warning": "33", "fault": "31", "dim": "2", "bold": "1"}


@dataclass
class Console:
    """Where the command line speaks and asks.

    Attributes:
        as_json: give results as JSON on stdout and progress as JSON lines on stderr.
        quiet: leave out progress; results, warnings and errors stay.
        no_input: never ask; a question without an answer is a usage error.
    """

    as_json: bool = False
    quiet: bool = False
    no_input: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._board: Board | None = None

    @property
    def is_terminal(self) -> bool:
        """Return whether progress is seen by a person on a terminal that can redraw lines."""
        return self.err.isatty() and os.environ.get("TERM") != "dumb" and not self.as_json

    # Results -------------------------------------------------------------------------------------

    def result(self, document: Mapping[str, Any], text: str = "") -> None:
        """Give the result of a command: `document` with `--json`, `text` otherwise."""
        if self.as_json:
            self._write(self.out, json.dumps(document, indent=2, default=str))
        elif text:
            self._write(self.out, text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
        """Return `rows` under `columns` as aligned text, for `result`."""
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
        lines = [list(columns), *cells]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def raw(self, content: bytes) -> None:
        """Give `content` on stdout as it is (a function's answer)."""
        with self._lock:
            self.out.flush()
            buffer = getattr(self.out, "buffer", None)
            if buffer is None:
                self.out.write(content.decode(errors="replace"))
            else:
                buffer.write(content)
            self.out.flush()

    # Progress ------------------------------------------------------------------------------------

    @contextmanager
    def step(self, text: str, node: str = "") -> Iterator[None]:
        """Show that the step `text` is under way; how it ended and how long it took follow by themselves."""
        began = time.monotonic()
        self._begin(text, node)
        try:
            yield
        except BaseException:
            self._end("fault", text, node, time.monotonic() - began)
            raise
        self._end("ok", text, node, time.monotonic() - began)

    def progress(self, text: str, node: str = "") -> None:
        """Show a line of what is happening inside the step that is under way."""
        if self.quiet:
            return
        if self.as_json:
            self._event("progress", text, node)
        elif self._board is not None:
            self._board.show(text, node)
        else:
            self._write(self.err, f"    {self._line(text, node)}")

    def done(self, text: str, node: str = "") -> None:
        """Show that a part of the step under way is done, for example on one node."""
        if not self.quiet:
            self._say("ok", text, node)

    def note(self, text: str, node: str = "") -> None:
        """Say something worth knowing that asks for nothing."""
        if not self.quiet:
            self._say("note", text, node)

    def warn(self, text: str, node: str = "") -> None:
        """Say something that may need the user's attention."""
        self._say("warning", text, node)

    def fault(self, text: str, node: str = "") -> None:
        """Say that something is wrong without ending the command."""
        self._say("fault", text, node)

    def error(self, error: PiswarmError) -> None:
        """Tell the error that ends the command, and what to do about it."""
        if self.as_json:
            told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
            self._write(self.err, json.dumps({"event": "error", **told}))
            return
        self._write(self.err, f"{self._paint('fault', 'Error:')} {error.message}")
        if error.hint:
            self._write(self.err, f"  {error.hint}")

    # Questions -----------------------------------------------------------------------------------

    def confirm(self, question: str, *, flag: str = "--yes") -> bool:
        """Ask a yes-or-no question; no answer means no.

        Raises:
            UsageError: nobody can be asked; the message names `flag`.
        """
        self._must_be_able_to_ask(question, flag)
        return self._ask(f"{question} [y/N] ").strip().lower() in {"y", "yes"}

    def ask(self, question: str, *, default: str = "", flag: str) -> str:
        """Ask for a line of text; an empty answer means `default`.

        Raises:
            UsageError: nobody can be asked; the message names `flag`.
        """
        self._must_be_able_to_ask(question, flag)
        suffix = f" [{default}]" if default else ""
        return self._ask(f"{question}{suffix}: ").strip() or default

    def ask_secret(self, question: str, *, flag: str) -> Secret:
        """Ask for a password without showing it.

        Raises:
            UsageError: nobody can be asked; the message names `flag`.
        """
        self._must_be_able_to_ask(question, flag)
        return Secret(getpass.getpass(f"{question}: ", stream=self.err))

    def _must_be_able_to_ask(self, question: str, flag: str) -> None:
        if self.no_input or not sys.stdin.isatty():
            raise UsageError(
                f"There is nobody to ask: {question.rstrip('?')}?", f"Give the answer with {flag}."
            )

    def _ask(self, prompt: str) -> str:
        with self._lock:
            self.err.write(prompt)
            self.err.flush()
        return sys.stdin.readline()

    # How it is written ---------------------------------------------------------------------------

    def _begin(self, text: str, node: str) -> None:
        if self.quiet:
            return
        if self.as_json:
            self._event("step", text, node)
        elif self.is_terminal:
            self._the_board().begin(self._line(text, node))
        else:
            self._write(self.err, f"• {self._line(text, node)}")

    def _end(self, state: str, text: str, node: str, seconds: float) -> None:
        if self.quiet:
            return
        if self._board is not None:
            self._board.end()
        if self.as_json:
            self._event("step-" + state, text, node, seconds=round(seconds, 1))
        else:
            self._say(state, f"{text} {self._paint('dim', f'({seconds:.1f} s)')}", node)

    def _the_board(self) -> Board:
        if self._board is None:
            from piswarm.board import Board  # noqa: PLC0415  (rich is only for terminals)

            self._board = Board(self.err)
        return self._board

    def _say(self, state: str, text: str, node: str) -> None:
        if self.as_json:
            self._event(state, text, node)
            return
        symbol = {"ok": "✓", "warning": "!", "fault": "✗", "note": "·"}[state]
        if not self._can_encode(symbol):
            symbol = {"ok": "+", "warning": "!", "fault": "x", "note": "-"}[state]
        self._write(self.err, f"{self._paint(state, symbol)} {self._line(text, node)}")

    def _event(self, event: str, text: str, node: str, **more: object) -> None:
        document = {"event": event, "text": text, **({"node": node} if node else {}), **more}
        self._write(self.err, json.dumps(document))

    def _line(self, text: str, node: str) -> str:
        return f"{node}: {text}" if node else text

    def _paint(self, style: str, text: str) -> str:
        code = _COLOURS.get(style)
        if not code or not self.err.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
            return text
        return f"\033[{code}m{text}\033[0m"

    def _can_encode(self, symbol: str) -> bool:
        try:
            symbol.encode(getattr(self.err, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock:
            if stream is self.err and self._board is not None and self._board.say(text):
                return
            stream.write(text + "\n")
            stream.flush()
