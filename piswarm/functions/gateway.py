"""The gateway's HTTP API, as its clients see it: OpenFaaS's wire contract."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import requests

from piswarm.errors import GatewayError
from piswarm.functions.spec import did_you_mean
from piswarm.secret import Secret

TIMEOUT_S = 15.0
INVOKE_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Answer:
    """What a function answered.

    Attributes:
        status: HTTP status.
        headers: the headers, found whatever the case of their names.
        body: the whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_the_gateways(self) -> bool:
        """Return whether the gateway answered in the function's place, because it could not reach it."""
        return "X-OpenFaaS-Internal" in self.headers or self.status in (502, 503, 504)


class GatewayClient:
    """Speaks to one gateway.

    Args:
        url: its address, without a slash at the end.
        user: name of its user.
        password: that user's password.
        timeout_s: seconds to wait for each answer about functions.
    """

    def __init__(self, url: str, user: str, password: Secret, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self._user = user
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # The gateway is on the local network: neither the proxy nor the .netrc of this computer is for it.
        self._session.trust_env = False
        self._password = password

    @property
    def credentials(self) -> tuple[str, Secret]:
        """Return the user and that user's password."""
        return self._user, self._password

    def functions(self) -> list[dict[str, Any]]:
        """Return every function's status, by name."""
        return sorted(self._ask("GET", "/system/functions").json(), key=lambda status: str(status["name"]))

    def function(self, name: str) -> dict[str, Any] | None:
        """Return the status of one function, or None when there is none of this name."""
        answer = self._ask("GET", f"/system/function/{quote(name)}", expected=(200, 404))
        return answer.json() if answer.status_code == 200 else None

    def existing(self, name: str) -> dict[str, Any]:
        """Return the status of a function that must be there.

        Raises:
            GatewayError: it is not; the message names the nearest that is.
        """
        status = self.function(name)
        if status is None:
            raise self._unknown(name)
        return status

    def put(self, deployment: Mapping[str, Any]) -> None:
        """Deploy a function, whether it is there already or not."""
        answer = self._ask("PUT", "/system/functions", document=deployment, expected=(200, 201, 202, 404))
        if answer.status_code == 404:
            self._ask("POST", "/system/functions", document=deployment)

    def remove(self, name: str) -> None:
        """Remove a function.

        Raises:
            GatewayError: there is none of this name.
        """
        answer = self._ask(
            "DELETE", "/system/functions", document={"functionName": name}, expected=(200, 202, 404)
        )
        if answer.status_code == 404:
            raise self._unknown(name)

    def scale(self, name: str, replicas: int) -> None:
        """Set how many replicas of a function there are to be.

        Raises:
            GatewayError: there is none of this name.
        """
        self.existing(name)
        self._ask(
            "POST",
            f"/system/scale-function/{quote(name)}",
            document={"serviceName": name, "replicas": replicas},
        )

    def secrets(self) -> list[str]:
        """Return the names of the secrets that functions can use; never their values."""
        return sorted(str(secret["name"]) for secret in self._ask("GET", "/system/secrets").json())

    def create_secret(self, name: str, value: bytes) -> None:
        """Keep a secret.

        Raises:
            GatewayError: there is one of this name.
        """
        document = {"name": name, "rawValue": b64encode(value).decode()}
        answer = self._ask("POST", "/system/secrets", document=document, expected=(200, 201, 202, 409))
        if answer.status_code == 409:
            raise GatewayError(
                f"There is a secret '{name}' already.", f"Change it: piswarm secret update {name}"
            )

    def update_secret(self, name: str, value: bytes) -> None:
        """Give a secret another value.

        Raises:
            GatewayError: there is none of this name.
        """
        document = {"name": name, "rawValue": b64encode(value).decode()}
        answer = self._ask("PUT", "/system/secrets", document=document, expected=(200, 201, 202, 404))
        if answer.status_code == 404:
            raise self._unknown_secret(name)

    def remove_secret(self, name: str) -> None:
        """Forget a secret.

        Raises:
            GatewayError: there is none of this name.
        """
        answer = self._ask("DELETE", "/system/secrets", document={"name": name}, expected=(200, 202, 404))
        if answer.status_code == 404:
            raise self._unknown_secret(name)

    def logs(
        self, name: str, *, follow: bool = False, tail: int = -1, since: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield a function's log lines: `timestamp`, `instance`, `text`.

        Args:
            name: the function.
            follow: go on with new lines, for ever.
            tail: how many of the last lines to begin with; -1 for all.
            since: leave out lines before this time (RFC 3339); empty for none.

        Raises:
            GatewayError: there is no such function, or the gateway stops answering.
        """
        query = {
            "name": name,
            "follow": str(follow).lower(),
            "tail": str(tail),
            **({"since": since} if since else {}),
        }
        path = f"/system/logs?{urlencode(query)}"
        answer = self._ask("GET", path, expected=(200, 404), is_streamed=True, is_endless=follow)
        with answer:
            if answer.status_code == 404:
                raise self._unknown(name)
            try:
                for line in answer.iter_lines(chunk_size=None):
                    if line:
                        yield json.loads(line)
            except requests.RequestException as error:
                raise GatewayError(
                    f"The gateway at {self.url} stopped sending the log: {_reason(error)}."
                ) from error

    def invoke(
        self,
        name: str,
        body: bytes = b"",
        *,
        method: str = "POST",
        path: str = "",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = INVOKE_TIMEOUT_S,
    ) -> Answer:
        """Call a function.

        Args:
            name: the function.
            body: the request's body.
            method: HTTP method.
            path: path and query behind the function's name.
            headers: headers of the request.
            timeout_s: seconds to wait for the answer.

        Raises:
            GatewayError: there is no such function, or nothing answers.
        """
        address = f"/function/{quote(name)}/{path.removeprefix('/')}".rstrip("/")
        answer = self._send(
            method, address, data=body, headers=headers, timeout_s=timeout_s, allow_redirects=False
        )
        if answer.status_code == 404 and self.function(name) is None:
            raise self._unknown(name)
        return Answer(answer.status_code, answer.headers, answer.content)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        document: Mapping[str, Any] | None = None,
        expected: tuple[int, ...] = (200, 201, 202),
        is_streamed: bool = False,
        is_endless: bool = False,
    ) -> requests.Response:
        answer = self._send(
            method, path, json=document, auth=(self._user, self._password.reveal()), stream=is_streamed,
            timeout_s=None if is_endless else self._timeout_s,
        )  # fmt: skip
        if answer.status_code in expected:
            return answer
        if answer.status_code == 401:
            raise GatewayError(
                f"The gateway at {self.url} does not accept the password of user '{self._user}'.",
                "Run 'piswarm init' again: it puts the recorded password into the cluster.",
            )
        raise GatewayError(
            f"The gateway at {self.url} refuses {method} {path}: {_text(answer)} (status {answer.status_code})."
        )

    def _send(self, method: str, path: str, *, timeout_s: float | None, **how: Any) -> requests.Response:  # noqa: ANN401
        try:
            return self._session.request(method, self.url + path, timeout=(self._timeout_s, timeout_s), **how)
        except requests.Timeout as error:
            raise GatewayError(
                f"The gateway at {self.url} gave no answer to {method} {path} in time "
                f"({timeout_s or self._timeout_s:.0f} s).",
                "See how the cluster is: piswarm status",
            ) from error
        except requests.RequestException as error:
            raise GatewayError(
                f"The gateway at {self.url} cannot be reached: {_reason(error)}.",
                "Check that the manager is on and on this network: piswarm status",
            ) from error

    def _unknown_secret(self, name: str) -> GatewayError:
        known = self.secrets()
        hint = f"There are: {', '.join(known)}." if known else f"Make it: piswarm secret create {name}"
        return GatewayError(f"There is no secret '{name}' in the cluster{did_you_mean(name, known)}.", hint)

    def _unknown(self, name: str) -> GatewayError:
        known = [str(status["name"]) for status in self.functions()]
        hint = f"There are: {', '.join(known)}." if known else "None is deployed yet: piswarm new hello"
        return GatewayError(f"There is no function '{name}' in the cluster{did_you_mean(name, known)}.", hint)


def _text(answer: requests.Response) -> str:
    return " ".join(answer.text.split())[:500].rstrip(".") or str(answer.reason)


def _reason(error: requests.RequestException) -> str:
    """Return what the operating system said, without the wrapping of two libraries."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split()).rstrip(".")
