"""The bare repository that a manager keeps for a function: commits are pushed to it, or it fetches them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import STATE_DIR
from piswarm.errors import BuildError, SpecError
from piswarm.functions.source import (
    DISK_HINT,
    LARGEST_COMMIT_BYTES,
    REFS,
    GitError,
    Source,
    read_commit,
    too_large,
    what_was_said,
)
from piswarm.functions.spec import check_name

if TYPE_CHECKING:
    from piswarm.cluster.shell import Shell

FETCH_TIMEOUT_S = 900.0
_TIMEOUT_S = 60.0
_NO_GIT = 127
_TIDY_UP_FIRST = ("-c", "gc.autoDetach=false")
"""Where a job ends, what git does in the background would be cut off in the middle."""
_BRANCHES = "refs/heads/"
_URL = re.compile(r"(?:https?|ssh|git)://[^\s]+|[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:[^\s]+")
_PASSWORD = re.compile(r"[a-z]+://[^/@]*:[^/@]*@")
_LOGIN_FAULTS = (
    "Permission denied",
    "could not read Username",
    "Authentication failed",
    "Could not read from",
)


class ManagerRepository:
    """A function's bare repository on a manager.

    Args:
        shell: the manager.
        function: the function's name.
        state_dir: folder of piswarm's state on the manager.
        largest_bytes: what the files of a commit may make, packed.
    """

    def __init__(
        self,
        shell: Shell,
        function: str,
        state_dir: str = STATE_DIR,
        largest_bytes: int = LARGEST_COMMIT_BYTES,
    ) -> None:
        check_name(function)
        self._largest_bytes = largest_bytes
        self.shell = shell
        self._function = function
        self._folder = f"{state_dir}/git"
        self.path = f"{self._folder}/{function}.git"

    @property
    def address(self) -> str:
        """Return the address to push to."""
        return self.shell.git_address(self.path)

    def prepare(self) -> None:
        """Make the repository where there is none.

        Raises:
            BuildError: the node has no git, or the repository could not be made.
        """
        command = (
            f"command -v git >/dev/null || exit {_NO_GIT}; "
            f"test -d {self.path} || git init --quiet --bare {self.path}; "
            f"git --git-dir {self.path} config receive.shallowUpdate true && "
            f"git --git-dir {self.path} config receive.maxInputSize {self._largest_bytes}"
        )
        result = self.shell.run(command, timeout_s=_TIMEOUT_S, check=False)
        if result.exit_code == _NO_GIT:
            raise BuildError(f"{self.shell.node} has no git.", "Run 'piswarm init' again: it installs it.")
        if result.exit_code != 0:
            raise BuildError(
                f"{self.shell.node}: {self.path} could not be made: {what_was_said(result.stderr)}.",
                "Check the free disk space there.",
            )

    def fetch(self, url: str, ref: str) -> Source:
        """Fetch a branch, tag or commit of another repository without its history; only what is missing is sent.

        Args:
            url: the repository.
            ref: branch, tag or full name of a commit; empty for the repository's default branch.

        Raises:
            SpecError: there is no such repository or ref.
            BuildError: it could not be fetched.
        """
        if not _URL.fullmatch(url):
            raise SpecError(
                f"'{url}' is not the address of a git repository.",
                "It begins with http://, https:// or ssh://, or looks like git@server:me/functions.git.",
            )
        if _PASSWORD.match(url):
            raise SpecError(
                "The address of the repository holds a password, which others on the manager could see.",
                "Use its SSH address; piswarm makes a deploy key for it.",
            )
        if ref.startswith("-"):
            raise SpecError(f"'{ref}' cannot be the name of a branch, tag or commit.")
        self.prepare()
        try:
            self._git(
                *_TIDY_UP_FIRST, "fetch", "--quiet", "--no-tags", "--force",
                "--depth=1", "--", url, f"{ref or 'HEAD'}:{REFS}/fetched",
                timeout_s=FETCH_TIMEOUT_S, environment=self._ssh(), largest_bytes=self._largest_bytes,
            )  # fmt: skip
            commit = read_commit(self._git, f"{REFS}/fetched")
            self._git("update-ref", f"{REFS}/{commit.sha}", commit.sha)
        except GitError as error:
            raise self._not_fetched(url, ref, str(error)) from error
        return Source(self._git, commit, url=url, ref=ref)

    def branch(self, url: str, ref: str) -> str:
        """Return the name of the branch that `ref` is in another repository; for an empty one, the default branch.

        Raises:
            SpecError: it is no branch.
            BuildError: the repository cannot be asked.
        """
        name = ref.removeprefix(_BRANCHES)
        words = ("--heads", "--", url, f"{_BRANCHES}{name}") if ref else ("--symref", "--", url, "HEAD")
        try:
            told = self._git("ls-remote", *words, timeout_s=_TIMEOUT_S, environment=self._ssh())
        except GitError as error:
            raise self._not_fetched(url, ref, str(error)) from error
        if not ref:
            default = re.search(rf"^ref: {_BRANCHES}(\S+)\tHEAD$", told, re.MULTILINE)
            name = default[1] if default else ""
        if not told or not name:
            raise SpecError(
                f"'{ref or 'HEAD'}' is no branch of {url}, so no push can change it.",
                f"Follow a branch: piswarm deploy {self._function} --repo {shlex.quote(url)} --ref BRANCH --force",
            )
        return name

    def deploy_key(self) -> str:
        """Return the public key with which the manager reads private repositories; make it at first."""
        key, comment = self._key(), shlex.quote(f"piswarm {self._function}")
        command = f"test -f {key} || ssh-keygen -q -t ed25519 -N '' -C {comment} -f {key}; cat {key}.pub"
        return self.shell.run(command, timeout_s=_TIMEOUT_S).stdout.strip()

    def _key(self) -> str:
        return f"{self._folder}/{self._function}.key"

    def _ssh(self) -> dict[str, str]:
        words = [
            "ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={self._folder}/known_hosts", "-o", "ConnectTimeout=20",
            "-o", "LogLevel=ERROR", "-o", f"IdentityFile={self._key()}",
        ]  # fmt: skip
        return {"GIT_SSH_COMMAND": shlex.join(words)}

    def _git(
        self,
        *arguments: str,
        timeout_s: float = _TIMEOUT_S,
        environment: Mapping[str, str] | None = None,
        largest_bytes: int = 0,
    ) -> str:
        own = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(environment or {})}
        words = [
            *(f"{name}={value}" for name, value in own.items()),
            "git",
            "--git-dir",
            self.path,
            *arguments,
        ]
        command = shlex.join(["env", *words])
        if largest_bytes:  # in blocks of 512 bytes; without the signal, git says what is wrong
            command = f"trap '' XFSZ; ulimit -f {largest_bytes // 512}; {command}"
        result = self.shell.run(command, timeout_s=timeout_s, check=False)
        if result.exit_code != 0:
            raise GitError(what_was_said(result.stderr) or f"exit code {result.exit_code}")
        return result.stdout

    def _not_fetched(self, url: str, ref: str, reason: str) -> SpecError | BuildError:
        if "couldn't find remote ref" in reason or "not our ref" in reason:
            return SpecError(
                f"{url} has no branch, tag or commit '{ref}'.",
                f"See what it has: git ls-remote {shlex.quote(url)}",
            )
        if any(fault in reason for fault in _LOGIN_FAULTS):
            return BuildError(
                f"{self.shell.node} may not read {url}: {reason}.",
                "For a private repository, use its SSH address and give it this deploy key (reading is enough):\n"
                f"  {self.deploy_key()}",
            )
        if "File too large" in reason:
            return too_large(f"{url}{f' at {ref}' if ref else ''}", self._largest_bytes)
        if "No space left on device" in reason:
            return BuildError(f"{self.shell.node} could not fetch {url}: its disk is full.", DISK_HINT)
        return BuildError(f"{self.shell.node} could not fetch {url}: {reason}.")
