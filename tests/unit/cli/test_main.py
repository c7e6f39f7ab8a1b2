import json
from pathlib import Path

import pytest
import typer

from piswarm import __version__, errors
from piswarm.cli import context
from piswarm.cli.main import app, main, run
from piswarm.errors import (
    EXIT_BUG,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PARTIAL,
    EXIT_USAGE,
    ConnectError,
    PartialError,
    PiswarmError,
    UsageError,
)


@pytest.fixture(autouse=True)
def fresh_options(monkeypatch, tmp_path):
    monkeypatch.setenv("PISWARM_HOME", str(tmp_path))
    context.settings.cache_clear()
    yield
    context.set_options(cluster="", quiet=False, no_input=False, debug=False)
    context.settings.cache_clear()


def raising(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectError("pi1 is away.", "Turn it on."), EXIT_FAILED),
        (UsageError("No."), EXIT_USAGE),
        (PartialError("Without pi3."), EXIT_PARTIAL),
        (KeyboardInterrupt(), EXIT_INTERRUPTED),
        (ZeroDivisionError(), EXIT_BUG),
    ],
)
def test_how_a_command_ends(error, code):
    assert run(raising(error)) == code


def test_a_command_that_succeeds_ends_with_0():
    assert run(lambda: None) == 0


def test_an_expected_error_has_no_traceback_unless_asked_for(capsys):
    run(raising(ConnectError("pi1 is away.", "Turn it on.")))
    assert capsys.readouterr().err == "Error: pi1 is away.\n  Turn it on.\n"
    context.set_options(cluster="", quiet=False, no_input=False, debug=True)
    run(raising(ConnectError("pi1 is away.")))
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_is_told_as_a_bug_with_its_traceback(capsys):
    run(raising(KeyError("x")))
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert f"bug in piswarm {__version__} (KeyError)" in told


def test_an_interrupt_says_that_the_command_can_be_run_again(capsys):
    run(raising(KeyboardInterrupt()))
    assert "run the same command again" in capsys.readouterr().err


def test_every_error_has_an_exit_code_that_is_documented():
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PiswarmError)
    ]
    assert {kind.exit_code for kind in kinds} == {EXIT_FAILED, EXIT_USAGE, EXIT_PARTIAL}


def ended(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


def test_the_version_is_told(capsys):
    assert ended("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_a_command_that_is_not_there_is_a_usage_error():
    assert ended("bake") == EXIT_USAGE


def test_an_error_of_a_command_reaches_the_user(capsys):
    assert ended("status") == EXIT_FAILED
    assert "piswarm init" in capsys.readouterr().err


def test_an_interface_that_is_not_there_is_told_in_a_sentence(capsys):
    assert ended("discover", "--interface", "nosuch0") == EXIT_FAILED
    told = capsys.readouterr()
    assert "Error: There is no network interface 'nosuch0' here." in told.err
    assert told.out == ""


def test_with_json_progress_and_errors_are_json(capsys):
    assert ended("discover", "--interface", "nosuch0", "--json") == EXIT_FAILED
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["step", "step-fault", "error"]


def test_a_password_file_that_is_not_there_is_told(capsys, tmp_path: Path):
    assert ended("--no-input", "init", "--password-file", str(tmp_path / "none")) == EXIT_FAILED
    assert "password file" in capsys.readouterr().err


def commands(group: typer.Typer) -> dict[str, str]:
    tree = typer.main.get_command(group)
    return {name: command.help or "" for name, command in tree.commands.items()}


def test_each_command_says_what_it_does():
    told = commands(app)
    assert {"init", "discover", "status", "deploy", "lab"} <= set(told)
    assert all(told.values()), told
