"""What a git server gets for what it tells, from the first byte to the job that follows."""

import hashlib
import hmac
import json

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_proxy import FakeEar, FakeProxy, fake_tallier
from support.fake_swarm import fake_swarm
from support.serving import served

from piswarm.gateway.api.hooks import MAX_BYTES
from piswarm.gateway.app import create_app
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.delivery import Delivery
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy_config import DataPlane
from piswarm.gateway.signatures import hook_secret

PASSWORD = "secret"
NEW = "b" * 40
PUSH = {
    "ref": "refs/heads/main",
    "after": NEW,
    "repository": {"default_branch": "main"},
    "pusher": {"login": "ada"},
    "commits": [{"id": NEW, "message": "Say more", "author": {"name": "Ada"}}],
}
ORIGINS = {
    "default": {"piswarm.repository": "git://server/a.git", "piswarm.ref": ""},
    "main": {"piswarm.repository": "git://server/a.git", "piswarm.ref": "main"},
    "full": {"piswarm.repository": "git://server/a.git", "piswarm.ref": "refs/heads/main"},
    "release": {"piswarm.repository": "git://server/a.git", "piswarm.ref": "release"},
    "local": {},
}


@pytest.fixture(scope="module")
def serving():
    swarm, proxy = fake_swarm(), FakeProxy({})
    app = create_app(
        Credentials("admin", PASSWORD),
        swarm,
        proxy,
        Follower(swarm.functions, proxy, DataPlane(), refresh_s=60),
        fake_tallier(proxy, FakeEar()),
    )
    with served(app) as address:
        for name, annotations in ORIGINS.items():
            document = {"service": name, "image": "i", "annotations": annotations}
            url = f"http://{address}/system/functions"
            requests.post(url, json=document, auth=("admin", PASSWORD), timeout=10).raise_for_status()
        yield address, swarm


@pytest.fixture
def deliveries(serving):
    """Give what the deployer was told, beginning with nothing."""
    serving[1].deployer.deliveries.clear()
    return serving[1].deployer.deliveries


def deliver(serving, name, push, *, event="push", secret=None, content_type="application/json"):
    body = push if isinstance(push, bytes) else json.dumps(push).encode()
    key = hook_secret(name, PASSWORD) if secret is None else secret
    headers = {
        "Content-Type": content_type,
        "X-Gogs-Event": event,
        "X-Gogs-Signature": hmac.new(key.encode(), body, hashlib.sha256).hexdigest(),
    }
    return requests.post(
        f"http://{serving[0]}/system/hooks/git/{name}", data=body, headers=headers, timeout=10
    )


@pytest.mark.parametrize("name", ["default", "main", "full"])
def test_a_push_of_the_branch_is_accepted_and_handed_on(serving, deliveries, name):
    answer = deliver(serving, name, PUSH)
    assert (answer.status_code, answer.json()) == (
        202, {"function": name, "commit": NEW, "status": "accepted"},
    )  # fmt: skip
    assert deliveries == [Delivery(name, NEW, "Say more", "Ada", "ada")]


def test_the_same_push_again_is_accepted_and_not_done_twice(serving, deliveries):
    statuses = [deliver(serving, "main", PUSH).json()["status"] for _ in range(2)]
    assert statuses == ["accepted", "accepted before"]
    assert len(deliveries) == 1


@pytest.mark.parametrize(
    ("name", "push", "event", "reason"),
    [
        ("release", PUSH, "push", "Not release was pushed, which release follows."),
        ("main", {**PUSH, "ref": "refs/heads/other"}, "push", "Not main was pushed"),
        ("main", {**PUSH, "ref": "refs/tags/main"}, "push", "Not main was pushed"),
        ("main", {**PUSH, "after": "0" * 40}, "push", "main was deleted; main stays as it is."),
        ("main", {"zen": "Half measures"}, "ping", "The hook works; 'ping' is no push"),
        ("main", b"not JSON", "release", "'release' is no push"),
    ],
)
def test_what_is_not_meant_is_ignored_with_a_sentence(serving, deliveries, name, push, event, reason):
    answer = deliver(serving, name, push, event=event)
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert reason in answer.json()["reason"]
    assert deliveries == []


@pytest.mark.parametrize("name", ["main", "nobody", "local"])
@pytest.mark.parametrize("secret", ["", PASSWORD, hook_secret("other", PASSWORD)])
def test_a_wrong_signature_is_refused_whether_there_is_such_a_function_or_not(
    serving, deliveries, name, secret
):
    answer = deliver(serving, name, PUSH, secret=secret)
    assert answer.status_code == 401
    assert f"piswarm hook {name}" in answer.text
    assert deliveries == []


def test_neither_user_and_password_nor_nothing_at_all_opens_a_hook(serving, deliveries):
    for auth in (None, ("admin", PASSWORD)):
        url = f"http://{serving[0]}/system/hooks/git/main"
        assert requests.post(url, json=PUSH, auth=auth, timeout=10).status_code == 401
    assert deliveries == []


@pytest.mark.parametrize(
    ("name", "push", "status", "text"),
    [
        ("nobody", PUSH, 404, "No such service found: nobody."),
        ("local", PUSH, 409, "piswarm deploy local --repo URL --force"),
        ("default", {**PUSH, "repository": {}}, 400, "does not say which that is"),
        ("main", {**PUSH, "after": "main"}, 400, "'after' is no commit's name"),
        ("main", b"{", 400, "JSON"),
        ("main", b"[]", 400, "JSON object"),
        ("main", b" " * (MAX_BYTES + 1), 413, "longer than"),
    ],
)
def test_what_cannot_be_meant_is_refused(serving, deliveries, name, push, status, text):
    answer = deliver(serving, name, push)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text
    assert deliveries == []


def test_a_form_is_told_to_become_json(serving):
    answer = deliver(serving, "main", b"payload=%7B%7D", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert "content type to application/json" in answer.text


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=40) | st.text(max_size=40).map(lambda text: json.dumps(text).encode()))
def test_whatever_is_signed_and_no_push_is_400(serving, body):
    assert deliver(serving, "main", body).status_code == 400
