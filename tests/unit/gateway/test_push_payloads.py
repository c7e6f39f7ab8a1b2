"""What git servers tell of pushes; the documents are cut down to what is read, in each server's own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piswarm.gateway.faults import BadRequest
from piswarm.gateway.push import Push, is_push, read_event, read_push

OLD, NEW, NONE = "a" * 40, "b" * 40, "0" * 40
COMMIT = {"id": NEW, "message": "Say more\n\nbecause", "author": {"name": "Ada"}}
EARLIER = {"id": OLD, "message": "Earlier", "author": {"name": "Bea"}}
PUSHED = Push("main", NEW, "main", "Say more", "Ada", "ada")

GITHUB = {
    "ref": "refs/heads/main",
    "after": NEW,
    "deleted": False,
    "repository": {"default_branch": "main"},
    "pusher": {"name": "ada", "email": "ada@example.org"},
    "head_commit": COMMIT,
    "commits": [EARLIER, COMMIT],
}
GITEA = {
    "ref": "refs/heads/main",
    "after": NEW,
    "repository": {"default_branch": "main"},
    "pusher": {"login": "ada", "full_name": "Ada L", "username": "ada"},
    "head_commit": COMMIT,
    "commits": [COMMIT],
}
GOGS = {
    "ref": "refs/heads/main",
    "after": NEW,
    "repository": {"default_branch": "main"},
    "pusher": {"username": "ada", "full_name": ""},
    "commits": [COMMIT, EARLIER],
}
GITLAB = {
    "object_kind": "push",
    "ref": "refs/heads/main",
    "after": NEW,
    "user_username": "ada",
    "user_name": "Ada L",
    "project": {"default_branch": "main"},
    "commits": [EARLIER, COMMIT],
}
SERVERS = {"GitHub": GITHUB, "Gitea": GITEA, "Gogs": GOGS, "GitLab": GITLAB}


@pytest.mark.parametrize("server", SERVERS)
def test_a_push_is_read_alike(server):
    assert read_push(SERVERS[server]) == PUSHED


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("change", "branch", "is_deletion"),
    [
        ({"ref": "refs/heads/feature/x"}, "feature/x", False),
        ({"ref": "refs/tags/v1"}, "", False),
        ({"ref": "main"}, "", False),
        ({"after": NONE, "head_commit": None, "commits": []}, "main", True),
    ],
    ids=["a branch with a slash", "a tag", "no full name", "a deletion"],
)
def test_what_was_pushed(server, change, branch, is_deletion):
    push = read_push({**SERVERS[server], **change})
    assert (push.branch, push.is_deletion) == (branch, is_deletion)


@pytest.mark.parametrize(
    "change",
    [{"ref": None}, {"ref": ""}, {"ref": 1}, {"after": None}, {"after": "main"}, {"after": "B" * 40}],
)
def test_what_does_not_say_what_was_pushed_is_refused(change):
    with pytest.raises(BadRequest, match="The push does not say"):
        read_push({**GITEA, **change})


def test_what_people_write_fits_into_a_table():
    told = {
        **GITEA,
        "pusher": {"login": "a\x1b[31m\nda" + "x" * 200},
        "head_commit": {"id": NEW, "message": "\x07Tab\there\nmore", "author": {"name": "Ada\r\n"}},
    }
    push = read_push(told)
    assert (push.subject, push.author) == ("Tab here", "Ada")
    assert push.pusher.startswith("a [31m da")
    assert len(push.pusher) == 120


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(NEW),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "login", "message", "author"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*GITHUB, *GITLAB]), values))
def test_whatever_is_sent_is_read_or_refused(document):
    for told in (document, {**GITEA, **document, "ref": "refs/heads/main", "after": NEW}):
        try:
            read_push(told)
        except BadRequest:
            assert told is document


@pytest.mark.parametrize(
    ("headers", "event", "expected"),
    [
        ({"X-GitHub-Event": "push"}, "push", True),
        ({"X-Gitea-Event": "push", "X-Gogs-Event": "push"}, "push", True),
        ({"X-Gogs-Event": "push"}, "push", True),
        ({"X-Gitlab-Event": "Push Hook"}, "Push Hook", True),
        ({"X-GitHub-Event": "ping"}, "ping", False),
        ({"X-Gogs-Event": "release"}, "release", False),
        ({"X-Gitlab-Event": "Tag Push Hook"}, "Tag Push Hook", False),
    ],
)
def test_the_event(headers, event, expected):
    assert read_event(headers) == event
    assert is_push(event) is expected


def test_a_request_without_an_event_is_refused():
    with pytest.raises(BadRequest, match="names no event"):
        read_event({})
