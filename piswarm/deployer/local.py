"""The manager itself, for what runs on it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path

import docker

from piswarm.cluster.engine_errors import explained
from piswarm.cluster.shell import Result, failed, still_running, too_slow
from piswarm.errors import ConnectError
from piswarm.functions.architectures import check_built_by_one
from piswarm.functions.site import Site

ENGINE_SOCKET = "/var/run/docker.sock"
_ENGINE_TIMEOUT_S = 60
_END_WITHIN_S = 10.0


class LocalShell:
    """The shell of the node that this process runs on.

    Args:
        node: name of the node, for messages.
    """

    def __init__(self, node: str) -> None:
        self.node = node

    def run(self, command: str, *, timeout_s: float, check: bool = True) -> Result:
        """Run a shell command and wait for its end.

        Raises:
            ConnectError: the time was up, or (with `check`) the command failed.
        """
        process = _start(command, stderr=subprocess.PIPE)
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            raise too_slow(self.node, command, timeout_s) from error
        result = Result(_text(output), _text(errors), process.returncode)
        if check and result.exit_code != 0:
            raise failed(self.node, command, result)
        return result

    def stream(self, command: str, on_line: Callable[[str], None], *, timeout_s: float) -> int:
        """Run a shell command, hand on each line of its output as it comes, and return the exit code.

        Raises:
            ConnectError: the time was up.
        """
        process = _start(command, stderr=subprocess.STDOUT)
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            _kill(process)

        timer = threading.Timer(timeout_s, end)
        timer.start()
        try:
            assert process.stdout is not None  # noqa: S101  (it is a pipe)
            for line in process.stdout:
                on_line(_text(line).rstrip("\r\n"))
            exit_code = process.wait()
        finally:
            timer.cancel()
            _kill(process)
        if is_late.is_set():
            raise still_running(self.node, command, timeout_s)
        return exit_code

    @contextmanager
    def held(self, command: str, *, timeout_s: float) -> Iterator[HeldProcess]:
        """Run a shell command during the `with` block; its standard input is closed at the end.

        Raises:
            ConnectError: a line did not come in time; the command is ended then.
        """
        process = _start(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            yield HeldProcess(self.node, command, process, timeout_s)
        finally:
            assert process.stdin is not None  # noqa: S101  (it is a pipe)
            process.stdin.close()
            try:
                process.wait(_END_WITHIN_S)
            except subprocess.TimeoutExpired:
                _kill(process)

    def put(self, content: bytes, path: str, mode: int) -> None:
        """Write a file atomically, with `mode` from the start.

        Raises:
            ConnectError: it could not be written.
        """
        partial = Path(f"{path}.partial")
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, mode)
                file.write(content)
            partial.replace(path)
        except OSError as error:
            raise ConnectError(f"{self.node}: {path} could not be written: {error.strerror}.") from error

    def git_address(self, path: str) -> str:
        """Return `path`: git needs no more on the same node."""
        return path

    def ssh_command(self) -> list[str]:
        """Return the plain `ssh`, which git does not use on the same node."""
        return ["ssh"]


class HeldProcess:
    """A process that goes on until its standard input is closed.

    Args:
        node: name of the node, for messages.
        command: the command line, for messages.
        process: the process.
        timeout_s: seconds to wait for each line.
    """

    def __init__(self, node: str, command: str, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        self._node = node
        self._command = command
        self._process = process
        self._timeout_s = timeout_s

    def read_line(self) -> str:
        """Return the next line that it prints, without its end; empty when it has ended.

        Raises:
            ConnectError: none came in time.
        """
        assert self._process.stdout is not None  # noqa: S101  (it is a pipe)
        timer = threading.Timer(self._timeout_s, _kill, [self._process])
        timer.start()
        line = _text(self._process.stdout.readline())
        timer.cancel()
        if not line and self._process.wait(_END_WITHIN_S) == -signal.SIGKILL:
            raise too_slow(self._node, self._command, self._timeout_s)
        return line.rstrip("\n")

    def read_errors(self) -> str:
        """Return all that it wrote to its standard error."""
        assert self._process.stderr is not None  # noqa: S101  (it is a pipe)
        return _text(self._process.stderr.read())


class LocalSite(Site):
    """A cluster at work, from its manager itself."""

    @cached_property
    def manager(self) -> LocalShell:
        """Return the shell of this node."""
        return LocalShell(self.cluster.manager.name)

    def node_for(self, arch: str) -> LocalShell:
        """Return the shell of this node, which builds for its own architecture alone.

        Raises:
            SpecError: it is another one.
        """
        check_built_by_one([arch], self.cluster)
        return self.manager

    @contextmanager
    def engine(self) -> Iterator[docker.APIClient]:
        """Give the engine of this node.

        Raises:
            SwarmError: it does not answer, or refuses what is asked of it in the `with` block.
        """
        with local_engine(self.cluster.manager.name) as engine:
            yield engine


@contextmanager
def local_engine(node: str) -> Iterator[docker.APIClient]:
    """Give the engine of this node.

    Args:
        node: name of the node, for messages.

    Raises:
        SwarmError: it does not answer, or refuses what is asked of it in the `with` block.
    """
    hint = f"See 'systemctl status docker' on {node}."
    with explained(node, hint):
        engine = docker.APIClient(f"unix://{ENGINE_SOCKET}", version="auto", timeout=_ENGINE_TIMEOUT_S)
        with closing(engine):
            yield engine


def _start(command: str, *, stdin: int = subprocess.DEVNULL, stderr: int) -> subprocess.Popen[bytes]:
    """Start a shell command in a process group of its own, so that its children end with it."""
    return subprocess.Popen(
        ["sh", "-c", command],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
