"""What a git server tells of a push, in the words of GitHub, Gitea, Gogs and GitLab."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from piswarm.gateway.faults import BadRequest

_EVENT_HEADERS = ("X-GitHub-Event", "X-Gitea-Event", "X-Gogs-Event", "X-Gitlab-Event")
_PUSHES = frozenset({"push", "Push Hook"})
BRANCHES = "refs/heads/"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST_TEXT = 120


@dataclass(frozen=True)
class Push:
    """A push to a repository.

    Attributes:
        branch: the branch; empty when a tag was pushed.
        commit: full name of the commit that the branch is at now; only zeros when the branch was deleted.
        default_branch: the repository's default branch; empty when the server does not tell.
        subject: first line of the commit's message, shortened; empty when the server does not tell.
        author: who wrote the commit, shortened; empty when the server does not tell.
        pusher: who pushed, shortened; empty when the server does not tell.
    """

    branch: str
    commit: str
    default_branch: str
    subject: str
    author: str
    pusher: str

    @property
    def is_deletion(self) -> bool:
        """Return whether the branch is gone."""
        return not self.commit.strip("0")


def is_push(event: str) -> bool:
    """Return whether an event is a push to a branch or tag."""
    return event in _PUSHES


def read_event(headers: Mapping[str, str]) -> str:
    """Return the name of the event that a request tells of.

    Raises:
        BadRequest: it names none.
    """
    for name in _EVENT_HEADERS:
        if name in headers:
            return headers[name]
    raise BadRequest(f"The request names no event: it has none of the headers {', '.join(_EVENT_HEADERS)}.")


def read_push(document: Mapping[str, Any]) -> Push:
    """Return the push that a document tells of.

    Raises:
        BadRequest: it does not say what was pushed.
    """
    ref, commit = document.get("ref"), document.get("after")
    if not isinstance(ref, str) or not ref:
        raise BadRequest("The push does not say what was pushed: 'ref' is missing.")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise BadRequest("The push does not say which commit was pushed: 'after' is no commit's name.")
    head = _head_commit(document, commit)
    return Push(
        branch=ref.removeprefix(BRANCHES) if ref.startswith(BRANCHES) else "",
        commit=commit,
        default_branch=_text(document, "repository", "default_branch")
        or _text(document, "project", "default_branch"),
        subject=_short(_text(head, "message").partition("\n")[0]),
        author=_short(_text(head, "author", "name")),
        pusher=_short(_pusher(document)),
    )


def _pusher(document: Mapping[str, Any]) -> str:
    """Return who pushed: GitLab tells it at the top, Gitea and Gogs have logins, GitHub has a name."""
    return (
        _text(document, "user_username")
        or _text(document, "pusher", "login")
        or _text(document, "pusher", "username")
        or _text(document, "pusher", "name")
    )


def _head_commit(document: Mapping[str, Any], commit: str) -> Mapping[str, Any]:
    """Return what is told of the commit; Gogs and GitLab have it only in the list of all that were pushed."""
    listed = document.get("commits")
    for told in [document.get("head_commit"), *(listed if isinstance(listed, list) else [])]:
        if isinstance(told, dict) and told.get("id") == commit:
            return told
    return {}


def _text(document: Mapping[str, Any], *path: str) -> str:
    """Return the text at the end of `path`, or an empty one where something else is on the way."""
    found: object = document
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _short(text: str) -> str:
    """Return a text that fits into a table: one line, nothing unprintable, not too long."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"
