"""The source of a function: a git commit, always.

git runs as a program with argument lists; nothing of the user's passes through a shell.
"""

from __future__ import annotations

import getpass
import os
import posixpath
import shlex
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from piswarm.errors import BuildError, SpecError

_TIMEOUT_S = 60.0
PUSH_TIMEOUT_S = 600.0
_OF_OUTER_GIT = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"})
"""Set by git when it runs piswarm, in a hook for example; they would point at another repository."""


class GitError(Exception):
    """git failed; the message is the last line that it said."""


@dataclass(frozen=True)
class Commit:
    """A commit of the user's repository.

    Attributes:
        sha: its full name.
        subject: first line of its message.
        author: who wrote it.
    """

    sha: str
    subject: str
    author: str

    @property
    def short(self) -> str:
        """Return the name as people write it."""
        return self.sha[:12]


@dataclass(frozen=True)
class WorkTree:
    """A checked-out repository.

    Attributes:
        root: its top folder.
        folder: the folder inside it that the user is in, relative, `.` for the top.
    """

    root: Path
    folder: str

    def head(self) -> Commit:
        """Return the commit that is checked out.

        Raises:
            SpecError: there is no commit yet.
        """
        try:
            text = self._git("log", "-1", "--no-show-signature", "--format=%H%x00%s%x00%an", "HEAD", "--")
        except GitError as error:
            raise SpecError(
                f"The git repository {self.root} has no commit yet, and what is deployed is a commit.",
                "Make one: git add . && git commit -m 'First version'",
            ) from error
        sha, subject, author = text.rstrip("\n").split("\0")
        return Commit(sha, subject, author)

    def uncommitted(self, paths: Sequence[str]) -> list[str]:
        """Return the files below `paths` (relative to the top) that differ from the commit."""
        entries = self._git("status", "--porcelain=v1", "-z", "--no-renames", "--", *paths).split("\0")
        return [entry[3:] for entry in entries if entry]

    def read(self, commit: Commit, path: str) -> str:
        """Return the file `path` (relative to the top) of a commit.

        Raises:
            SpecError: the commit has no such file.
        """
        try:
            return self._git("cat-file", "blob", f"{commit.sha}:{path}")
        except GitError as error:
            is_there = (self.root / path).exists()
            hint = f"Commit it: git add {shlex.quote(path)} && git commit" if is_there else ""
            raise SpecError(
                f"{path} is not in the commit {commit.short} ({commit.subject}).", hint
            ) from error

    def tree(self, commit: Commit, path: str) -> str:
        """Return the name of the tree object of a folder: it changes when anything in the folder does.

        Raises:
            SpecError: the commit has no such folder, or it lies outside the repository.
        """
        inside = "" if path == "." else path
        if path.startswith(".."):
            raise SpecError(f"The folder {path} lies outside the git repository {self.root}.")
        try:
            kind = self._git("cat-file", "-t", f"{commit.sha}:{inside}").strip()
            name = self._git("rev-parse", "--verify", f"{commit.sha}:{inside}").strip()
        except GitError as error:
            hint = (
                f"Commit it: git add {shlex.quote(path)} && git commit" if (self.root / path).exists() else ""
            )
            raise SpecError(
                f"The folder {path} is not in the commit {commit.short} ({commit.subject}).", hint
            ) from error
        if kind != "tree":
            raise SpecError(f"{path} is not a folder in the commit {commit.short}: it must hold the source.")
        return name

    def inside(self, path: str) -> str:
        """Return `path`, which is relative to the user's folder, relative to the top."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    def push(self, commit: Commit, url: str, ssh_command: Sequence[str]) -> None:
        """Send a commit with all that it needs to the repository at `url`.

        Each commit gets a name of its own there, so nobody's push is in another's way.

        Args:
            commit: the commit.
            url: `ssh://` address, or the path of a repository on this computer.
            ssh_command: the words of the `ssh` command to use.

        Raises:
            BuildError: it did not arrive.
        """
        environment = {"GIT_SSH_COMMAND": shlex.join(ssh_command), "GIT_SSH_VARIANT": "ssh"}
        try:
            self._git(
                "push", "--quiet", "--no-verify", "--no-signed", url, f"{commit.sha}:refs/piswarm/{commit.sha}",
                timeout_s=PUSH_TIMEOUT_S, environment=environment,
            )  # fmt: skip
        except GitError as error:
            raise BuildError(
                f"The commit {commit.short} could not be sent to the manager: {error}.",
                "Check the manager's power, network and free disk space, then run the same command again.",
            ) from error

    def _git(
        self, *arguments: str, timeout_s: float = _TIMEOUT_S, environment: Mapping[str, str] | None = None
    ) -> str:
        return run_git(self.root, *arguments, timeout_s=timeout_s, environment=environment)


def find_work_tree(folder: Path) -> WorkTree:
    """Find the repository that `folder` is in.

    Raises:
        SpecError: it is in none, or git is not installed.
    """
    if shutil.which("git") is None:
        raise SpecError("git is not installed here.", "Install it, for example: sudo apt install git")
    try:
        root = run_git(folder, "rev-parse", "--show-toplevel").rstrip("\n")
    except GitError as error:
        if "dubious ownership" in str(error):
            raise SpecError(f"git does not trust {folder}: {error}.") from error
        raise SpecError(
            f"{folder} is not in a git repository, and what is deployed is a commit.",
            "Make one: git init && git add . && git commit -m 'First version'",
        ) from error
    prefix = run_git(folder, "rev-parse", "--show-prefix").rstrip("\n")
    return WorkTree(Path(root), posixpath.normpath(prefix or "."))


def commit_new_repository(folder: Path, files: Sequence[str], message: str) -> None:
    """Make `folder` a repository and commit `files` of it.

    Where git knows no name for the author, the login name stands in, for this commit only.
    """
    run_git(folder, "init", "--quiet")
    run_git(folder, "add", "--", *files)
    run_git(folder, *_author(folder), "commit", "--quiet", "--no-verify", "--message", message)


def is_in_repository(folder: Path) -> bool:
    """Return whether `folder` is in a git work tree."""
    try:
        return run_git(folder, "rev-parse", "--is-inside-work-tree").strip() == "true"
    except GitError:
        return False


def run_git(
    folder: Path, *arguments: str, timeout_s: float = _TIMEOUT_S, environment: Mapping[str, str] | None = None
) -> str:
    """Run git in `folder` and return what it prints.

    Raises:
        GitError: it failed.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_OUTER_GIT}
    own = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        ended = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**inherited, **own, **(environment or {})},
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise GitError(f"no result within {timeout_s:.0f} s") from error
    if ended.returncode != 0:
        raise GitError(
            _what_was_said(ended.stderr.decode(errors="replace")) or f"exit code {ended.returncode}"
        )
    return ended.stdout.decode(errors="surrogateescape")


def _what_was_said(text: str) -> str:
    """Return the line that tells most: the first that git marks as fatal or an error, or the last."""
    lines = [line.strip().rstrip(".") for line in text.splitlines() if line.strip()]
    marked = [
        line.partition(": ")[2] for line in lines if line.startswith(("fatal:", "error:", "remote: fatal:"))
    ]
    return marked[0] if marked else (lines[-1] if lines else "")


def _author(folder: Path) -> list[str]:
    try:
        run_git(folder, "var", "GIT_COMMITTER_IDENT")
    except GitError:
        user = getpass.getuser()
        return ["-c", f"user.name={user}", "-c", f"user.email={user}@{socket.gethostname()}"]
    return []
