"""The calls of all gateways: each manager's carries its own share, and a client asks any of them."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

import httpx
from starlette.concurrency import run_in_threadpool

from piswarm.gateway.authentication import Credentials
from piswarm.gateway.calls import Calls, add_up
from piswarm.gateway.haproxy import DataPlaneError, Proxy

CALLS_PATH = "/system/calls"
_DEADLINE_S = 0.5
_KEPT_S = 2.0
"""About as often as the page asks."""

log = logging.getLogger(__name__)


class CallCounts:
    """The functions' calls, here and on all managers.

    Args:
        proxy: what carries and counts the calls here.
        credentials: the user that other gateways let into their API, as this one does.
        find: returns `HOST:PORT` of every gateway of the cluster, this one included; may block.
    """

    def __init__(self, proxy: Proxy, credentials: Credentials, find: Callable[[], Sequence[str]]) -> None:
        self._proxy = proxy
        self._auth = httpx.BasicAuth(credentials.user, credentials.password)
        self._find = find
        self._name = uuid.uuid4().hex
        self._elsewhere: list[Mapping[str, Calls]] = []
        self._asked_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def here(self) -> dict[str, Calls]:
        """Return the calls through this gateway, by function; none when HAProxy does not tell them."""
        try:
            return await run_in_threadpool(self._proxy.calls)
        except DataPlaneError as exc:
            log.warning("The functions are told without their calls: %s", exc)
            return {}

    async def everywhere(self) -> dict[str, Calls]:
        """Return the calls through all gateways, by function; one that does not answer in time is left out."""
        async with self._one_at_a_time:
            if time.monotonic() > self._asked_at + _KEPT_S:
                self._elsewhere = await self._ask_others()
                self._asked_at = time.monotonic()
        return add_up([await self.here(), *self._elsewhere])

    async def share(self) -> dict[str, object]:
        """Return the calls through this gateway as the other ones read them."""
        calls = await self.here()
        return {"gateway": self._name, "functions": {name: one.to_json() for name, one in calls.items()}}

    async def _ask_others(self) -> list[Mapping[str, Calls]]:
        addresses = await run_in_threadpool(self._find)
        if len(addresses) < 2:  # this one
            return []
        async with httpx.AsyncClient(auth=self._auth, timeout=_DEADLINE_S, trust_env=False) as client:
            answers = await asyncio.gather(*(self._ask(client, address) for address in addresses))
        return [answer for answer in answers if answer is not None]

    async def _ask(self, client: httpx.AsyncClient, address: str) -> Mapping[str, Calls] | None:
        """Return what another gateway tells, or None when it is this one or does not answer."""
        try:
            async with asyncio.timeout(_DEADLINE_S):
                answer = await client.get(f"http://{address}{CALLS_PATH}")
            answer.raise_for_status()
        except (httpx.HTTPError, TimeoutError) as exc:
            log.warning("The gateway at %s does not tell its calls: %s", address, exc or "no answer in time")
            return None
        told = answer.json()
        if told["gateway"] == self._name:
            return None
        return {name: Calls.from_json(one) for name, one in told["functions"].items()}


def addresses_of(name: str, port: int) -> list[str]:
    """Return `HOST:PORT` for each address that the DNS knows for `name`; none when it does not know the name."""
    try:
        found: Iterable[tuple[object, ...]] = socket.getaddrinfo(
            name, port, socket.AF_INET, socket.SOCK_STREAM
        )
    except socket.gaierror:
        return []
    return sorted("{}:{}".format(*entry[4]) for entry in found)  # type: ignore[misc]
