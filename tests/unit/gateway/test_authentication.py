import base64

import pytest

from piswarm.errors import ConfigError
from piswarm.gateway.authentication import Credentials

USER = Credentials("admin", "pass:wörd")


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_the_user_is_let_in():
    assert USER.match(basic("admin:pass:wörd"))
    assert USER.match(basic("admin:pass:wörd").replace("Basic", "basic"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Bearer ",
        basic("admin:"),
        basic("admin:pass"),
        basic(":pass:wörd"),
        basic("admin"),
        basic("admin:pass:wörd").replace("Basic", "Bearer"),
    ],
)
def test_nobody_else_is(header):
    assert not USER.match(header)


def test_the_password_is_not_shown():
    assert "wörd" not in repr(USER)


def test_credentials_come_from_files_without_the_white_space_around_them(tmp_path):
    (tmp_path / "basic-auth-user").write_text("admin\n")
    (tmp_path / "basic-auth-password").write_text("secret\n")
    assert Credentials.from_files(tmp_path) == Credentials("admin", "secret")


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_or_empty_password_stops_the_start(tmp_path, content):
    (tmp_path / "basic-auth-user").write_text("admin")
    if content is not None:
        (tmp_path / "basic-auth-password").write_text(content)
    with pytest.raises(ConfigError, match="basic-auth-password"):
        Credentials.from_files(tmp_path)
