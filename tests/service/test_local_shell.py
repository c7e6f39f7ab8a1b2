"""The shell of the node that a process runs on, with real processes; and locks, held through it."""

import threading

import pytest

from piswarm.deployer.local import LocalShell
from piswarm.errors import ConnectError, DeployError
from piswarm.functions import lock
from piswarm.functions.lock import exclusive

PATIENCE_S = 20.0


@pytest.fixture
def shell():
    return LocalShell("pi1")


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Keep the locks of these tests to themselves."""
    monkeypatch.setattr(lock, "STATE_DIR", str(tmp_path))
    return tmp_path


def take(shell, who, *, timeout_s=PATIENCE_S, on_wait=lambda _: None):
    return exclusive(shell, "function.hello", who, timeout_s=timeout_s, on_wait=on_wait)


def test_a_command_gives_both_outputs_and_its_exit_code(shell):
    result = shell.run("echo out; echo err >&2; exit 3", timeout_s=PATIENCE_S, check=False)
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)


def test_a_command_that_fails_is_told_with_its_last_words(shell):
    with pytest.raises(ConnectError, match="pi1: 'echo why >&2; exit 3' failed with exit code 3: why"):
        shell.run("echo why >&2; exit 3", timeout_s=PATIENCE_S)


def test_a_command_that_hangs_is_ended_with_all_that_it_started(shell, tmp_path):
    with pytest.raises(ConnectError, match=r"gave no result within 0 s"):
        shell.run(f"sh -c 'sleep 300; touch {tmp_path}/survived' & wait", timeout_s=0.3)
    assert shell.run("pgrep -f 'sleep 30[0]; touch'", timeout_s=PATIENCE_S, check=False).stdout == ""


def test_lines_come_from_both_outputs(shell):
    lines = []
    assert (
        shell.stream("echo one; echo two >&2; printf three; exit 4", lines.append, timeout_s=PATIENCE_S) == 4
    )
    assert lines == ["one", "two", "three"]


def test_a_stream_that_does_not_end_is_given_up(shell):
    lines = []
    with pytest.raises(ConnectError, match="was still running after 0 s"):
        shell.stream("echo begun; sleep 300", lines.append, timeout_s=0.3)
    assert lines == ["begun"]


def test_a_file_is_written_with_its_mode_and_replaced_whole(shell, tmp_path):
    path = tmp_path / "file"
    shell.put(b"one", str(path), 0o600)
    shell.put(b"two", str(path), 0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ConnectError, match="could not be written: No such file or directory"):
        shell.put(b"", str(tmp_path / "missing" / "file"), 0o600)


def test_a_held_command_ends_with_the_block(shell, tmp_path):
    with shell.held(f"echo ready; cat; touch {tmp_path}/ended", timeout_s=PATIENCE_S) as process:
        assert process.read_line() == "ready"
        assert not (tmp_path / "ended").exists()
    assert (tmp_path / "ended").exists()


def test_a_held_command_that_says_nothing_is_given_up(shell):
    with shell.held("sleep 300", timeout_s=0.3) as process, pytest.raises(ConnectError, match="no result"):
        process.read_line()


def test_one_after_the_other_and_the_second_is_told_for_whom_it_waits(shell):
    waiting, told, order = threading.Event(), [], []

    def wait_for(holder):
        told.append(holder)
        waiting.set()

    def second():
        with take(LocalShell("pi1"), "hook", on_wait=wait_for) as somebody_else_did:
            order.append(("second", somebody_else_did))

    thread = threading.Thread(target=second)
    with take(shell, "ada@home") as somebody_else_did:
        thread.start()
        assert waiting.wait(PATIENCE_S)
        order.append(("first", somebody_else_did))
    thread.join(PATIENCE_S)
    assert (told, order) == (["ada@home"], [("first", False), ("second", True)])


def test_who_does_not_end_in_time_is_named(shell):
    with (
        take(shell, "ada@home"),
        pytest.raises(DeployError, match="pi1 is busy for ada@home, who did not end within 1 s"),
        take(LocalShell("pi1"), "hook", timeout_s=1),
    ):
        pass


def test_a_lock_that_cannot_be_taken_says_why(shell, state):
    (state / "lock").write_text("in the way")
    with pytest.raises(DeployError, match="the lock could not be taken: mkdir"), take(shell, "ada@home"):
        pass
