"""Commands about functions, as far as they go without a cluster."""

import json

import pytest

from piswarm.cli import context, main
from piswarm.settings import Settings


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder, with no cluster, and return exit code, output and errors."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PISWARM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def command(*arguments):
        context.set_options(cluster="", quiet=False, no_input=False, debug=False)
        context.settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main.main(list(arguments))
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    yield command
    context.set_options(cluster="", quiet=False, no_input=False, debug=False)
    context.settings.cache_clear()


def test_new_says_what_it_made_and_what_comes_next(run, tmp_path):
    code, out, err = run("new", "hello")
    assert (code, out) == (0, "")
    assert "hello/handler.py" in err
    assert "piswarm deploy hello" in err
    assert (tmp_path / "work" / ".git").is_dir()
    code, _, err = run("new", "second")
    assert code == 0
    assert "git add second.yml second && git commit" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new", "Hello"), "'Hello' cannot be the name of a function."),
        (("new", "hello", "--lang", "cobol"), "There is no language 'cobol'"),
        (("deploy", "hello"), "There is no hello.yml and no stack.yml in"),
        (("list",), "There is no cluster yet."),
        (("invoke", "hello", "--data", ""), "There is no cluster yet."),
        (("secret", "list"), "There is no cluster yet."),
        (("history", "hello"), "There is no cluster yet."),
        (("hook", "hello"), "There is no cluster yet."),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_code_1(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy", "hello", "--dirty", "--repo", "https://example.org/x.git"),
        ("logs", "hello", "--since", "yesterday"),
        ("invoke", "hello", "--header", "nonsense", "--data", ""),
        ("scale", "hello", "--", "-1"),
        ("scale", "hello", "many"),
        ("deploy",),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "Usage:" in err


def test_an_example_is_offered_only_where_somebody_can_say_yes(run):
    code, _, err = run("--no-input", "deploy", "functest")
    assert code == 2
    assert "--yes" in err


def test_errors_are_json_where_json_was_asked_for(run):
    code, out, err = run("list", "--json")
    assert (code, out) == (1, "")
    assert json.loads(err)["message"] == "There is no cluster yet."


def test_the_settings_of_the_test_are_its_own(run, tmp_path):
    assert Settings.from_environment().home == tmp_path / "home"
