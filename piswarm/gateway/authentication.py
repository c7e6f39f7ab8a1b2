"""Basic authentication, as OpenFaaS's clients do it."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from piswarm.errors import ConfigError

_PROTECTED = ("/system/", "/ui/")
_SIGNED = "/system/hooks/"
"""Git servers do not log in: they sign what they send."""


@dataclass(frozen=True)
class Credentials:
    """The one user who may change things.

    Attributes:
        user: name of the user.
        password: the password; never shown.
    """

    user: str
    password: str = field(repr=False)

    @classmethod
    def from_files(cls, directory: Path) -> Credentials:
        """Read the files `basic-auth-user` and `basic-auth-password`.

        Raises:
            ConfigError: one is missing or empty.
        """
        return cls(_read(directory / "basic-auth-user"), _read(directory / "basic-auth-password"))

    def match(self, authorization: str) -> bool:
        """Return whether an Authorization header names this user; takes equally long for every wrong one."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        expected = f"{self.user}:{self.password}".encode()
        return hmac.compare_digest(given, expected) and scheme.lower() == "basic"


class BasicAuthentication:
    """Lets nobody but the user into the API and the page.

    Args:
        app: what to protect.
        credentials: the user.
    """

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self._app = app
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if (
            scope["type"] != "http"
            or not scope["path"].startswith(_PROTECTED)
            or scope["path"].startswith(_SIGNED)
            or self._credentials.match(Headers(scope=scope).get("authorization", ""))
        ):
            await self._app(scope, receive, send)
            return
        refusal = PlainTextResponse(
            "invalid credentials", 401, {"WWW-Authenticate": 'Basic realm="Restricted"'}
        )
        await refusal(scope, receive, send)


def _read(path: Path) -> str:
    try:
        content = path.read_text().strip()
    except OSError as exc:
        raise ConfigError(
            f"The secret file {path} cannot be read: {exc.strerror}.",
            "Give the gateway's service this secret.",
        ) from exc
    if not content:
        raise ConfigError(f"The secret file {path} is empty.", "Give the gateway's service this secret.")
    return content
