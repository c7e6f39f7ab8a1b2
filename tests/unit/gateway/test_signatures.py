import hashlib
import hmac

import pytest
from starlette.datastructures import Headers

from piswarm.gateway.signatures import hook_secret, is_signed

BODY = b'{"ref": "refs/heads/main"}'
SECRET = hook_secret("hello", "password")


def signature(secret=SECRET, body=BODY):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


SERVERS = {
    "GitHub": lambda sign, secret: {"x-hub-signature-256": f"sha256={sign}"},
    "Gitea": lambda sign, secret: {
        "X-Gitea-Signature": sign,
        "X-Gogs-Signature": sign,
        "X-Hub-Signature": "sha1=0000",
        "X-Hub-Signature-256": f"sha256={sign}",
    },
    "Gogs": lambda sign, secret: {"X-Gogs-Signature": sign},
    "GitLab": lambda sign, secret: {"X-Gitlab-Token": secret},
}


@pytest.mark.parametrize("server", SERVERS)
def test_what_a_server_signs_is_believed(server):
    assert is_signed(Headers(SERVERS[server](signature(), SECRET)), BODY, SECRET)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "wrong",
    ["password", "", hook_secret("other", "password"), hook_secret("hello", "Password"), "ä"],
)
def test_another_secret_is_not(server, wrong):
    assert not is_signed(Headers(SERVERS[server](signature(wrong), wrong)), BODY, SECRET)


@pytest.mark.parametrize("server", [name for name in SERVERS if name != "GitLab"])
def test_a_changed_body_is_not(server):
    assert not is_signed(Headers(SERVERS[server](signature(), SECRET)), BODY + b" ", SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature": f"sha1={'0' * 40}"},
        {"X-Hub-Signature-256": signature()},
        {"X-Gitea-Signature": ""},
        {"X-Gogs-Signature": signature().upper()},
        {"X-Gitlab-Token": signature()},
        {"X-Gogs-Signature": signature(), "X-Gitlab-Token": "guessed"},
        {"Authorization": f"Bearer {SECRET}"},
    ],
)
def test_nothing_else_is_a_signature(headers):
    assert not is_signed(Headers(headers), BODY, SECRET)


def test_each_function_has_a_secret_of_its_own_that_does_not_tell_the_password():
    assert len({hook_secret(name, "password") for name in ("hello", "hello2", "")}) == 3
    assert hook_secret("hello", "password") == SECRET
    assert len(SECRET) == 64
