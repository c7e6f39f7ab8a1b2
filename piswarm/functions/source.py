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
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from piswarm.errors import BuildError, SpecError

_TIMEOUT_S = 60.0
PUSH_TIMEOUT_S = 600.0
REFS = "refs/piswarm"
"""Where the manager keeps the commits that were deployed."""
LARGEST_COMMIT_BYTES = 2**30
"""A manager keeps the commits of all its functions on an SD card."""
DISK_HINT = "Make room there: docker builder prune --all --force; docker image prune --force"
_SUBMODULE, _LINK = "160000", "120000"
_POINTER_SIZES = range(100, 200)
"""Bytes of a pointer: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""
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
class Source:
    """A commit in a repository, here or on a node.

    Attributes:
        git: runs git in the repository and returns what it prints; raises GitError.
        commit: the commit.
        folder: the folder inside the repository that paths of the user's start from, `.` for the top.
        root: the top folder of the user's work tree; None where there is none.
        url: the repository elsewhere that it was fetched from; empty for the user's own.
        ref: branch, tag or commit that was asked for there; empty for its default branch.
    """

    git: Callable[..., str]
    commit: Commit
    folder: str = "."
    root: Path | None = None
    url: str = ""
    ref: str = ""

    def inside(self, path: str) -> str:
        """Return `path`, which starts from the user's folder, relative to the top."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    def has(self, path: str) -> bool:
        """Return whether the commit has the file or folder `path` (relative to the top)."""
        try:
            self.git("cat-file", "-e", f"{self.commit.sha}:{path}")
        except GitError:
            return False
        return True

    def read(self, path: str) -> str:
        """Return the file `path` (relative to the top) of the commit.

        Raises:
            SpecError: the commit has no such file.
        """
        try:
            return self.git("cat-file", "blob", f"{self.commit.sha}:{path}")
        except GitError as error:
            raise SpecError(f"{path} is not in {self._said()}.", self._hint(path)) from error

    def tree(self, path: str) -> str:
        """Return the name of the tree object of a folder: it changes when anything in the folder does.

        Raises:
            SpecError: the commit has no such folder, or it lies outside the repository.
        """
        if path.startswith(".."):
            raise SpecError(f"The folder {path} lies outside the git repository{self._place()}.")
        name = f"{self.commit.sha}:{'' if path == '.' else path}"
        try:
            kind = self.git("cat-file", "-t", name).strip()
            tree = self.git("rev-parse", "--verify", name).strip()
        except GitError as error:
            raise SpecError(f"The folder {path} is not in {self._said()}.", self._hint(path)) from error
        if kind != "tree":
            raise SpecError(f"{path} is not a folder in {self._said()}: it must hold the source.")
        return tree

    def check_folder(self, path: str) -> None:
        """Check that the folder `path` is complete: nothing in it lies elsewhere.

        Raises:
            SpecError: it has a submodule, a file that is kept in Git LFS, or a link that leads out of it.
        """
        for mode, size, file in self._files(path):
            if mode == _SUBMODULE:
                raise SpecError(
                    f"{file} is a git submodule: its content is not part of {self._said()}.",
                    "Copy it into the repository, or install it through requirements.txt.",
                )
            if mode == _LINK:
                self._check_link(file, path)
            elif size in _POINTER_SIZES and self.read(file).startswith("version https://git-lfs"):
                raise SpecError(
                    f"{file} is kept in Git LFS: {self._said()} has only a pointer to it.",
                    f"Keep it in git itself: git lfs migrate export --include={shlex.quote(file)}",
                )

    def _files(self, path: str) -> Iterator[tuple[str, int, str]]:
        listed = self.git(
            "ls-tree", "-r", "-l", "-z", self.commit.sha, "--", "." if path == "." else f"{path}/"
        )
        for entry in filter(None, listed.split("\0")):
            facts, _, file = entry.partition("\t")
            mode, _, _, size = facts.split()
            yield mode, int(size) if size.isdecimal() else 0, file

    def _check_link(self, file: str, folder: str) -> None:
        target = self.read(file)
        reached = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
        inside = not reached.startswith("..") if folder == "." else f"{reached}/".startswith(f"{folder}/")
        if target.startswith("/") or not inside:
            raise SpecError(
                f"The link {file} leads to {target}, outside of the function's folder, which is all that is built.",
                "Put a copy of what it leads to in its place.",
            )

    def _said(self) -> str:
        return f"the commit {self.commit.short} ({self.commit.subject})"

    def _place(self) -> str:
        return f" {self.root}" if self.root else ""

    def _hint(self, path: str) -> str:
        if self.root is None or not (self.root / path).exists():
            return ""
        return f"Commit it: git add {shlex.quote(path)} && git commit"


@dataclass(frozen=True)
class WorkTree:
    """A checked-out repository.

    Attributes:
        root: its top folder.
        folder: the folder inside it that the user is in, relative, `.` for the top.
    """

    root: Path
    folder: str

    def head(self) -> Source:
        """Return the commit that is checked out.

        Raises:
            SpecError: there is no commit yet.
        """
        try:
            commit = read_commit(self._git, "HEAD")
        except GitError as error:
            raise SpecError(
                f"The git repository {self.root} has no commit yet, and what is deployed is a commit.",
                "Make one: git add . && git commit -m 'First version'",
            ) from error
        return Source(self._git, commit, self.folder, self.root)

    def with_changes(self) -> Source:
        """Return a commit that has what the user's folder holds on the disk, new files included.

        It stands on top of the one that is checked out, is on no branch, and leaves the user's index alone.
        """
        head = self.head()
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git("read-tree", head.commit.sha, environment=index)
            self._git("add", "--all", "--", self.folder, environment=index)
            tree = self._git("write-tree", environment=index).strip()
        message = f"Uncommitted changes to {head.commit.short} ({head.commit.subject})"
        sha = self._git(
            *_author(self.root), "commit-tree", tree, "-p", head.commit.sha, "-m", message
        ).strip()
        return Source(self._git, read_commit(self._git, sha), self.folder, self.root)

    def uncommitted(self, paths: Sequence[str]) -> list[str]:
        """Return the files below `paths` (relative to the top) that differ from the commit."""
        entries = self._git("status", "--porcelain=v1", "-z", "--no-renames", "--", *paths).split("\0")
        return [entry[3:] for entry in entries if entry]

    def push(self, commit: Commit, url: str, ssh_command: Sequence[str]) -> None:
        """Send a commit with its files, but without its history, to the repository at `url`.

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
            with self._without_history(commit) as repository:
                run_git(
                    repository, "push", "--quiet", "--no-signed", url, f"{commit.sha}:{REFS}/{commit.sha}",
                    timeout_s=PUSH_TIMEOUT_S, environment=environment,
                )  # fmt: skip
        except GitError as error:
            raise _not_sent(commit, str(error)) from error

    @contextmanager
    def _without_history(self, commit: Commit) -> Iterator[Path]:
        """Give a bare repository that has the objects of this one, and in which the commit has no parents.

        See https://git-scm.com/docs/gitrepository-layout: `objects/info/alternates` and `shallow`.
        """
        objects = self.root / self._git("rev-parse", "--git-path", "objects").rstrip("\n")
        with tempfile.TemporaryDirectory() as folder:
            repository = Path(folder)
            run_git(repository, "init", "--quiet", "--bare", "--template=", ".")
            info = repository / "objects" / "info"
            info.mkdir(exist_ok=True)
            (info / "alternates").write_text(f"{objects.resolve()}\n")
            (repository / "shallow").write_text(f"{commit.sha}\n")
            yield repository

    def _git(
        self, *arguments: str, timeout_s: float = _TIMEOUT_S, environment: Mapping[str, str] | None = None
    ) -> str:
        return run_git(self.root, *arguments, timeout_s=timeout_s, environment=environment)


def read_commit(git: Callable[..., str], ref: str) -> Commit:
    """Return the commit that `ref` names.

    Raises:
        GitError: it names none.
    """
    text = git("log", "-1", "--no-show-signature", "--format=%H%x00%s%x00%an", ref, "--")
    sha, subject, author = text.rstrip("\n").split("\0")
    return Commit(sha, subject, author)


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
            what_was_said(ended.stderr.decode(errors="replace")) or f"exit code {ended.returncode}"
        )
    return ended.stdout.decode(errors="surrogateescape")


def what_was_said(text: str) -> str:
    """Return the line of git's errors that tells most, without a full stop."""
    lines = [
        line.strip().rstrip(".")
        for line in text.splitlines()
        if line.strip() and not line.startswith("Warning: ")
    ]
    marked = [
        line.partition(": ")[2] for line in lines if line.startswith(("fatal:", "error:", "remote: fatal:"))
    ]
    telling = [line for line in marked if not line.startswith("Could not read from remote")]
    return (telling or lines or [""])[0]


def too_large(what: str, limit_bytes: int = LARGEST_COMMIT_BYTES) -> SpecError:
    """Return the error for a commit whose files are too many for a manager's disk."""
    return SpecError(
        f"{what} is too large: its files, packed, are more than {limit_bytes / 2**20:.0f} MiB.",
        "Keep large files out of git, or the function in a repository of its own.",
    )


def _not_sent(commit: Commit, reason: str) -> SpecError | BuildError:
    what = f"The commit {commit.short}"
    if "pack exceeds maximum allowed size" in reason:
        return too_large(f"{what} ({commit.subject})")
    if "No space left on device" in reason:
        return BuildError(f"{what} could not be sent: the node's disk is full.", DISK_HINT)
    return BuildError(
        f"{what} could not be sent to the node that builds: {reason}.",
        "Check the node's power and network, then run the same command again.",
    )


def _author(folder: Path) -> list[str]:
    try:
        run_git(folder, "var", "GIT_COMMITTER_IDENT")
    except GitError:
        user = getpass.getuser()
        return ["-c", f"user.name={user}", "-c", f"user.email={user}@{socket.gethostname()}"]
    return []
