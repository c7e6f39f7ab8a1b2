"""Reaching nodes: Fabric over one SSH connection for each node, with host keys pinned at first sight."""

from __future__ import annotations

import io
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import paramiko
from fabric import Config
from fabric import Connection as FabricConnection
from invoke.exceptions import CommandTimedOut
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    NoValidConnectionsError,
    SSHException,
)

from piswarm.cluster.shell import Result, failed, shortened, still_running, too_slow
from piswarm.errors import ConnectError, LoginError
from piswarm.secret import Secret

if TYPE_CHECKING:
    from piswarm.cluster.inventory import Cluster, NodeRecord

CONNECT_TIMEOUT_S = 20.0
_CHUNK = 32768
_POLL_S = 0.005
_CUT_OFF = -1  # paramiko's exit code of a command whose channel ended without one
_CLOSED = "the node closed the channel"
_known_hosts_lock = threading.Lock()


@dataclass(frozen=True)
class Login:
    """How to log in on nodes.

    Attributes:
        user: login user.
        known_hosts_file: pinned host keys; new ones are added to it.
        key_file: private key; None to use only the password.
        password: SSH password, if any.
        sudo_password: what sudo asks for; None where it asks nothing.
    """

    user: str
    known_hosts_file: Path
    key_file: Path | None = None
    password: Secret | None = None
    sudo_password: Secret | None = None


class Connection:
    """One SSH connection to one node, kept until closed.

    Args:
        node: name of the node, for messages.
        address: IP address or host name.
        login: how to log in.
        port: TCP port of the node's sshd.
    """

    def __init__(self, node: str, address: str, login: Login, port: int = 22) -> None:
        self.node = node
        self.address = address
        self.login = login
        self.port = port
        self._fabric: FabricConnection | None = None

    def __enter__(self) -> Connection:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Connect, unless connected already.

        Args:
            timeout_s: seconds for each of connecting, the SSH banner and logging in.

        Raises:
            ConnectError: the node does not answer, refuses the login, or has another host key than before.
        """
        if self._fabric is not None and self._fabric.is_connected:
            return
        fabric = self._new_fabric(timeout_s)
        try:
            fabric.open()
        except BadHostKeyException as error:
            raise self._changed_key(error) from error
        except AuthenticationException as error:
            raise LoginError(
                f"{self.node} ({self.address}) does not accept the login of user '{self.login.user}'.",
                "Check the user and the password: a new card knows only those that its imager was given.",
            ) from error
        except (NoValidConnectionsError, OSError, SSHException, EOFError) as error:
            raise ConnectError(
                f"{self.node} ({self.address}) cannot be reached over SSH: {_reason(error)}.",
                "Check that it is on, on this network, and that SSH is enabled on it.",
            ) from error
        fabric.transport.set_keepalive(15)
        self._fabric = fabric

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        if self._fabric is not None:
            self._fabric.close()
            self._fabric = None

    @property
    def client(self) -> paramiko.SSHClient:
        """Return the open SSH client, for what needs a channel of its own (the engine's API)."""
        client: paramiko.SSHClient = self._open_fabric().client
        return client

    def peer_address(self) -> str:
        """Return the node's IP address as the open connection sees it."""
        return str(self._open_fabric().transport.getpeername()[0])

    def run(
        self,
        command: str,
        *,
        sudo: bool = False,
        stdin: str | None = None,
        timeout_s: float,
        check: bool = True,
    ) -> Result:
        """Run a shell command on the node and wait for its end.

        Args:
            command: the command line; quote what comes from users. No secrets: it is visible to others there.
            sudo: run it as root.
            stdin: text for its standard input (not together with `sudo`).
            timeout_s: seconds until it is given up.
            check: raise when it fails.

        Raises:
            ConnectError: the connection broke, the time was up, or (with `check`) the command failed.
        """
        try:
            if sudo:
                result = self._run_as_root(command, timeout_s)
            else:
                result = self._run_on_channel(command, stdin or "", timeout_s)
        except (CommandTimedOut, TimeoutError) as error:
            raise too_slow(self.node, command, timeout_s) from error
        except (SSHException, OSError, EOFError) as error:
            raise self._broke(command, error) from error
        if check and result.exit_code != 0:
            raise failed(self.node, command, result)
        return result

    def stream(self, command: str, on_line: Callable[[str], None], *, timeout_s: float) -> int:
        """Run a shell command and hand on each line of its output (both streams) as it comes.

        Args:
            command: the command line, as for `run`.
            on_line: is called with each line, without its end.
            timeout_s: seconds until the command is given up.

        Returns:
            The exit code.

        Raises:
            ConnectError: the connection broke or the time was up.
        """
        lines = _LineSink(on_line)
        try:
            result = self._open_fabric().run(
                command, warn=True, in_stream=False, out_stream=lines, err_stream=lines, timeout=timeout_s
            )
        except CommandTimedOut as error:
            raise still_running(self.node, command, timeout_s) from error
        except (SSHException, OSError, EOFError) as error:
            raise self._broke(command, error) from error
        finally:
            lines.end()
        if result.exited == _CUT_OFF:
            raise self._broke(command, SSHException(_CLOSED))
        return int(result.exited)

    @contextmanager
    def held(self, command: str, *, timeout_s: float) -> Iterator[HeldChannel]:
        """Run a shell command during the `with` block, on a channel that is closed at the end.

        Args:
            command: the command line, as for `run`.
            timeout_s: seconds to wait for each line.

        Raises:
            ConnectError: the connection broke, or a line did not come in time.
        """
        try:
            channel = self._open_fabric().transport.open_session(timeout=timeout_s)
            channel.settimeout(timeout_s)
            channel.exec_command(command)
        except (SSHException, OSError, EOFError) as error:
            raise self._broke(command, error) from error
        with closing(channel):
            yield HeldChannel(self.node, command, channel)

    def put(self, content: bytes, path: str, mode: int) -> None:
        """Write a file on the node, atomically.

        Args:
            content: what to write.
            path: absolute path on the node.
            mode: permission bits.

        Raises:
            ConnectError: it could not be written.
        """
        self.put_stream(io.BytesIO(content), path, mode)

    def put_file(self, source: Path, path: str, mode: int) -> None:
        """Copy the local file `source` to `path` on the node, atomically.

        Raises:
            ConnectError: it could not be written.
        """
        with source.open("rb") as file:
            self.put_stream(file, path, mode)

    def put_stream(self, source: io.BufferedIOBase | io.BytesIO, path: str, mode: int) -> None:
        """Write what `source` gives to `path` on the node, atomically and with `mode` from the start.

        Raises:
            ConnectError: it could not be written.
        """
        partial = f"{path}.partial"
        try:
            with self.client.open_sftp() as sftp:
                with sftp.open(partial, "wb") as file:
                    file.chmod(mode)
                    file.set_pipelined(True)
                    while chunk := source.read(_CHUNK):
                        file.write(chunk)
                sftp.posix_rename(partial, path)
        except (OSError, SSHException, EOFError) as error:
            raise ConnectError(
                f"{self.node}: {path} could not be written: {_reason(error)}.",
                f"Check the free space and the rights of user '{self.login.user}' there.",
            ) from error

    def git_address(self, path: str) -> str:
        """Return the address under which git reaches the repository at `path` on the node."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"ssh://{self.login.user}@{host}{path}"

    def ssh_command(self) -> list[str]:
        """Return the words of an `ssh` command with the same key and pinned host keys, for git and people."""
        words = [
            "ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
            "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S:.0f}",
            "-o", f"UserKnownHostsFile={self.login.known_hosts_file}",
            "-p", str(self.port),
        ]  # fmt: skip
        if self.login.key_file is not None:
            words += ["-o", "IdentitiesOnly=yes", "-i", str(self.login.key_file)]
        return words

    def _run_as_root(self, command: str, timeout_s: float) -> Result:
        password = self.login.sudo_password.reveal() if self.login.sudo_password else None
        done = self._open_fabric().sudo(
            command, password=password, hide=True, warn=True, in_stream=False, timeout=timeout_s
        )
        return Result(done.stdout, done.stderr, done.exited)

    def _run_on_channel(self, command: str, stdin: str, timeout_s: float) -> Result:
        """Run a command on a channel of its own: Fabric hands standard input on at 100 characters a second."""
        deadline = time.monotonic() + timeout_s
        channel = self._open_fabric().transport.open_session(timeout=timeout_s)
        with closing(channel):
            channel.settimeout(timeout_s)
            channel.exec_command(command)
            channel.sendall(stdin.encode())
            channel.shutdown_write()
            output, errors = bytearray(), bytearray()
            while True:
                ended = channel.exit_status_ready() and channel.eof_received
                if channel.recv_ready():
                    output += channel.recv(_CHUNK)
                elif channel.recv_stderr_ready():
                    errors += channel.recv_stderr(_CHUNK)
                elif (ended and channel.exit_status == _CUT_OFF) or (channel.closed and not ended):
                    raise SSHException(_CLOSED)
                elif ended:
                    return Result(
                        output.decode(errors="replace"), errors.decode(errors="replace"), channel.exit_status
                    )
                elif time.monotonic() > deadline:
                    raise TimeoutError
                else:
                    time.sleep(_POLL_S)

    def _open_fabric(self) -> FabricConnection:
        self.open()
        assert self._fabric is not None  # noqa: S101  (open() raises otherwise)
        return self._fabric

    def _new_fabric(self, timeout_s: float) -> FabricConnection:
        options: dict[str, object] = {
            "allow_agent": self.login.key_file is None and self.login.password is None,
            "look_for_keys": False,
            "banner_timeout": timeout_s,
            "auth_timeout": timeout_s,
        }
        if self.login.key_file is not None:
            options["key_filename"] = str(self.login.key_file)
        if self.login.password is not None:
            options["password"] = self.login.password.reveal()
        fabric = FabricConnection(
            self.address, user=self.login.user, port=self.port, connect_timeout=int(timeout_s),
            connect_kwargs=options, config=Config(overrides={"run": {"replace_env": False}}),
        )  # fmt: skip
        with _known_hosts_lock:
            self.login.known_hosts_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.login.known_hosts_file.touch(mode=0o600)
            fabric.client.load_host_keys(str(self.login.known_hosts_file))
        fabric.client.set_missing_host_key_policy(_PinAtFirstSight(self.login.known_hosts_file))
        return fabric

    def _changed_key(self, error: BadHostKeyException) -> ConnectError:
        return ConnectError(
            f"The host key of {self.node} ({self.address}) has changed: "
            f"pinned {error.expected_key.fingerprint}, now {error.key.fingerprint}.",
            "Another computer answers there, or the card was flashed anew. If you know why, remove its line "
            f"from {self.login.known_hosts_file} and run the command again.",
        )

    def _broke(self, command: str, error: BaseException) -> ConnectError:
        self.close()
        return ConnectError(
            f"{self.node}: the SSH connection broke during '{shortened(command)}': {_reason(error)}.",
            "Check the node's power and network, then run the same command again.",
        )


class HeldChannel:
    """A command on a channel of its own, which ends with the channel.

    Args:
        node: name of the node, for messages.
        command: the command line, for messages.
        channel: the channel; its time-out bounds each line.
    """

    def __init__(self, node: str, command: str, channel: paramiko.Channel) -> None:
        self._node = node
        self._command = command
        self._channel = channel
        self._output = channel.makefile("rb")

    def read_line(self) -> str:
        """Return the next line that it prints, without its end; empty when it has ended.

        Raises:
            ConnectError: none came in time.
        """
        return self._within_time(self._output.readline).rstrip("\n")

    def read_errors(self) -> str:
        """Return all that it wrote to its standard error.

        Raises:
            ConnectError: it goes on writing.
        """
        return self._within_time(self._channel.makefile_stderr("rb").read)

    def _within_time(self, read: Callable[[], bytes]) -> str:
        try:
            return read().decode(errors="replace")
        except TimeoutError as error:
            raise too_slow(self._node, self._command, self._channel.gettimeout() or 0) from error


def connect(cluster: Cluster, node: NodeRecord, sudo_password: Secret | None = None) -> Connection:
    """Return a connection to a node of a cluster, with the cluster's key.

    Args:
        cluster: the cluster.
        node: one of its nodes.
        sudo_password: what sudo asks for, where root is needed.
    """
    login = Login(cluster.user, cluster.known_hosts_file, cluster.key_file, sudo_password=sudo_password)
    return Connection(node.name, node.address, login)


class _PinAtFirstSight(paramiko.MissingHostKeyPolicy):
    """Keep the key of a node that was never seen; a changed one never gets here."""

    def __init__(self, known_hosts_file: Path) -> None:
        self._file = known_hosts_file

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        client.get_host_keys().add(hostname, key.get_name(), key)
        with _known_hosts_lock, self._file.open("a") as file:
            file.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")


class _LineSink(io.TextIOBase):
    """A stream that hands on whole lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._on_line(line.rstrip("\r"))
        return len(text)

    def end(self) -> None:
        with self._lock:
            if self._rest:
                self._on_line(self._rest)
                self._rest = ""


def quote(*words: object) -> str:
    """Return `words` as one shell command line."""
    return shlex.join(str(word) for word in words)


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, TimeoutError) or "timed out" in text:
        return "no answer in time"
    return text.rstrip(".")
