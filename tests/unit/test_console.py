import io
import json
import sys

import pytest

from piswarm.console import Console
from piswarm.errors import ConnectError, UsageError


class Terminal(io.StringIO):
    """A stream that says of itself that it is a terminal."""

    def isatty(self) -> bool:
        return True


class Ascii(io.StringIO):
    """A stream that can write nothing but ASCII."""

    encoding = "ascii"


@pytest.fixture
def console() -> Console:
    return Console(out=io.StringIO(), err=io.StringIO())


def as_json(**options) -> Console:
    return Console(as_json=True, out=io.StringIO(), err=io.StringIO(), **options)


def events(console: Console) -> list[dict]:
    return [json.loads(line) for line in console.err.getvalue().splitlines()]


def test_results_go_to_stdout_and_progress_to_stderr(console):
    with console.step("Looking"):
        console.progress("at pi1")
        console.done("found", "pi1")
    console.result({"nodes": 1}, "1 node")
    assert console.out.getvalue() == "1 node\n"
    begin, progress, done, end = console.err.getvalue().splitlines()
    assert (begin, progress, done) == ("• Looking", "    at pi1", "✓ pi1: found")
    assert end.startswith("✓ Looking (")


def test_a_step_that_fails_is_told_as_failed_and_the_error_goes_on(console):
    with pytest.raises(ConnectError), console.step("Looking", "pi1"):
        raise ConnectError("pi1 is away.")
    assert console.err.getvalue().splitlines()[-1].startswith("✗ pi1: Looking (")


def test_steps_stand_inside_each_other(console):
    with console.step("Outer"), console.step("Inner"):
        pass
    lines = [line.split(" (")[0] for line in console.err.getvalue().splitlines()]
    assert lines == ["• Outer", "• Inner", "✓ Inner", "✓ Outer"]


def test_json_is_one_document_on_stdout_and_an_event_a_line_on_stderr():
    console = as_json()
    with console.step("Looking", "pi1"):
        console.progress("50 %")
        console.warn("slow")
    console.result({"nodes": ["pi1"]}, "1 node")
    assert json.loads(console.out.getvalue()) == {"nodes": ["pi1"]}
    assert [(one["event"], one["text"]) for one in events(console)] == [
        ("step", "Looking"),
        ("progress", "50 %"),
        ("warning", "slow"),
        ("step-ok", "Looking"),
    ]
    assert events(console)[0]["node"] == "pi1"
    assert isinstance(events(console)[-1]["seconds"], float)


def test_quiet_leaves_out_progress_but_no_warning_and_no_result():
    console = Console(quiet=True, out=io.StringIO(), err=io.StringIO())
    with console.step("Looking"):
        console.progress("at pi1")
        console.done("found")
        console.note("by the way")
        console.warn("slow")
    console.result({}, "text")
    assert console.err.getvalue() == "! slow\n"
    assert console.out.getvalue() == "text\n"


def test_an_error_is_a_sentence_and_a_hint(console):
    console.error(ConnectError("pi1 is away.", "Turn it on."))
    assert console.err.getvalue() == "Error: pi1 is away.\n  Turn it on.\n"


def test_an_error_in_json_has_its_exit_code():
    console = as_json()
    console.error(UsageError("No.", "Do."))
    assert events(console) == [{"event": "error", "message": "No.", "hint": "Do.", "exit_code": 2}]


def test_columns_of_a_table_stand_under_each_other(console):
    table = console.table(("NAME", "ADDRESS"), [("pi1", "10.0.0.1"), ("raspberrypi", "10.0.0.22")])
    assert table == "NAME         ADDRESS\npi1          10.0.0.1\nraspberrypi  10.0.0.22"


def test_an_empty_table_has_its_head(console):
    assert console.table(("NAME", "ADDRESS"), []) == "NAME  ADDRESS"


def test_symbols_fall_back_to_ascii():
    console = Console(out=io.StringIO(), err=Ascii())
    console.done("ready")
    console.fault("broken")
    assert console.err.getvalue() == "+ ready\nx broken\n"


def test_colour_is_only_for_terminals_that_want_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def told(stream) -> str:
        Console(out=io.StringIO(), err=stream).warn("slow")
        return stream.getvalue()

    assert told(Terminal()) == "\033[33m!\033[0m slow\n"
    assert told(io.StringIO()) == "! slow\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert told(Terminal()) == "! slow\n"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert told(Terminal()) == "! slow\n"


def test_content_of_functions_is_given_as_it_is(console):
    console.raw(b"no line end")
    assert console.out.getvalue() == "no line end"


@pytest.mark.parametrize(
    "ask",
    [
        lambda console: console.confirm("Go on?"),
        lambda console: console.ask("Which nodes", flag="--yes"),
        lambda console: console.ask_secret("Password", flag="--yes"),
    ],
)
def test_where_nobody_can_be_asked_the_option_is_named(ask, monkeypatch):
    for no_input, stdin in ((True, Terminal("y\n")), (False, io.StringIO("y\n"))):
        monkeypatch.setattr(sys, "stdin", stdin)
        console = Console(no_input=no_input, out=io.StringIO(), err=io.StringIO())
        with pytest.raises(UsageError, match="nobody to ask") as caught:
            ask(console)
        assert "--yes" in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "yes"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_only_yes_is_yes(typed, yes, console, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    assert console.confirm("Go on?") is yes
    assert console.err.getvalue() == "Go on? [y/N] "


def test_an_empty_answer_means_the_default(console, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("\n2\n"))
    assert console.ask("Which", default="1", flag="--node") == "1"
    assert console.ask("Which", default="1", flag="--node") == "2"
