"""Asking a network for its nodes over multicast DNS.

Three questions, because images of Raspberry Pi OS differ in what they tell:

- Which services are there? Images since May 2025 announce `_workstation._tcp` with the MAC address in the
  instance's name (`raspberrypi [2c:cf:67:01:02:03]`); nodes that piswarm made announce `_piswarm._tcp`.
- Who has this address? All images with avahi answer the reverse lookup of their own address.
- Who has this name? For networks too large to be asked for each address.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

# The classes of packets are part of the package, but not of its typed interface.
from zeroconf import (  # type: ignore[attr-defined]
    DNSAddress,
    DNSOutgoing,
    DNSPointer,
    DNSQuestion,
    IPVersion,
    RecordUpdate,
    RecordUpdateListener,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from piswarm.cluster.links import Link
from piswarm.cluster.sighting import LIKELY_NAME, REVERSE_LOOKUP, Sighting
from piswarm.errors import DiscoveryError

SERVICE_TYPES = ("_workstation._tcp.local.", "_ssh._tcp.local.", "_piswarm._tcp.local.")
LIKELY_NAMES = (
    "raspberrypi",
    *(f"raspberrypi-{number}" for number in range(2, 10)),
    *(f"{stem}{number}" for stem in ("pi", "node") for number in range(1, 10)),
)

# When the questions are asked, in seconds, for Wi-Fi loses multicast packets, and whether for answers to us
# alone. Those come as unicast packets, which Wi-Fi repeats when they are lost; but firewalls that let in only
# what mDNS usually sends, to all, hold them back.
_ROUNDS = ((0.0, True), (0.25, True), (0.6, False), (0.9, True), (1.3, False), (1.6, True))
_QUESTIONS_A_PACKET = 40
_RESOLVE_TIMEOUT_MS = 3000.0
_REVERSE = ".in-addr.arpa."
_WORKSTATION = re.compile(r"^(?P<name>.+?) \[(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})\]$", re.IGNORECASE)
# https://www.rfc-editor.org/rfc/rfc1035 section 3.2
_QUERY, _A, _PTR, _IN = 0, 1, 12, 1
_IP_MULTICAST_ALL = 49  # linux/in.h; Python's socket module does not name it


@asynccontextmanager
async def asking(link: Link, on_sighting: Callable[[Sighting], None]) -> AsyncIterator[None]:
    """Ask a link for nodes as long as the `async with` block lasts.

    Args:
        link: where to ask; nothing is sent anywhere else, and nothing is heard from elsewhere.
        on_sighting: is called for each answer, also when it is one of a node seen before.

    Raises:
        DiscoveryError: the port of mDNS cannot be used.
    """
    own = [str(address.ip) for address in link.addresses]
    try:
        network = AsyncZeroconf(interfaces=own, ip_version=IPVersion.V4Only)
    except OSError as error:
        raise DiscoveryError(
            f"Port 5353 (mDNS) of this computer cannot be used: {error.strerror}.",
            "Set 'disallow-other-stacks=no' in /etc/avahi/avahi-daemon.conf, or name nodes with --node.",
        ) from error
    try:
        await network.zeroconf.async_wait_for_start()
        _hear_only_this_link(network.zeroconf)
        around = [address for one in link.addresses for address in link.neighbours(one)]
        search = _Search(network.zeroconf, on_sighting, _questions(around))
        rounds = asyncio.create_task(search.ask_rounds())
        try:
            yield
        finally:
            rounds.cancel()
            await search.stop()
    finally:
        await network.async_close()


def _hear_only_this_link(zeroconf: Zeroconf) -> None:
    """Keep out what other programs, such as avahi, have the kernel receive on other links."""
    if sys.platform != "linux":  # others deliver to a socket only what it asked for itself
        return
    for reader in zeroconf.engine.readers:
        reader.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)


class _Search(RecordUpdateListener):
    """The questions, and what becomes of their answers; all of it in one event loop."""

    def __init__(
        self, zeroconf: Zeroconf, on_sighting: Callable[[Sighting], None], questions: Sequence[DNSQuestion]
    ) -> None:
        self._zeroconf = zeroconf
        self._on_sighting = on_sighting
        self._questions = questions
        self._asked = {question.name for question in questions}
        self._spoken_to: set[str] = set()
        self._resolving: set[asyncio.Task[None]] = set()
        self._browser = AsyncServiceBrowser(zeroconf, list(SERVICE_TYPES), handlers=[self._on_service])
        zeroconf.async_add_listener(self, None)

    async def ask_rounds(self) -> None:
        """Ask all questions, several times."""
        time = asyncio.get_running_loop().time
        began = time()
        for at_s, direct in _ROUNDS:
            await asyncio.sleep(began + at_s - time())
            self._ask_all(direct=direct)

    async def stop(self) -> None:
        """End what is still under way."""
        for task in self._resolving:
            task.cancel()
        await self._browser.async_cancel()

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Take the answers to our own questions (called by zeroconf)."""
        for record in (update.new for update in records):
            if record.name.lower() not in self._asked:
                continue
            if isinstance(record, DNSPointer):
                self._saw(_host(record.alias), _reversed_address(record.name), REVERSE_LOOKUP)
            elif isinstance(record, DNSAddress) and record.type == _A:
                self._saw(_host(record.name), str(IPv4Address(record.address)), LIKELY_NAME)

    def _ask_all(self, *, direct: bool) -> None:
        for first in range(0, len(self._questions), _QUESTIONS_A_PACKET):
            out = DNSOutgoing(_QUERY)
            for question in self._questions[first : first + _QUESTIONS_A_PACKET]:
                question.unicast = direct
                out.add_question(question)
            self._zeroconf.async_send(out)

    def _saw(self, name: str, address: str, seen_by: str) -> None:
        self._speak_to(address)
        self._on_sighting(Sighting(name, (address,), seen_by=(seen_by,)))

    def _speak_to(self, address: str) -> None:
        """Ask the node itself once: whom the kernel speaks to, it knows the MAC address of."""
        if address not in self._spoken_to:
            self._spoken_to.add(address)
            out = DNSOutgoing(_QUERY)
            out.add_question(_reverse_question(address))
            self._zeroconf.async_send(out, addr=address)

    def _on_service(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is not ServiceStateChange.Removed:
            task = asyncio.create_task(self._resolve(AsyncServiceInfo(service_type, name)))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    async def _resolve(self, info: AsyncServiceInfo) -> None:
        if await info.async_request(self._zeroconf, _RESOLVE_TIMEOUT_MS):
            sighting = sighting_of_service(info)
            for address in sighting.addresses:
                self._speak_to(address)
            self._on_sighting(sighting)


def sighting_of_service(info: ServiceInfo) -> Sighting:
    """Return what the announcement of a service tells of its node."""
    instance = info.name.removesuffix("." + info.type)
    workstation = _WORKSTATION.match(instance)
    properties = info.decoded_properties
    return Sighting(
        name=_host(info.server or "") or (workstation["name"] if workstation else instance),
        addresses=tuple(info.parsed_addresses(IPVersion.V4Only)),
        mac=workstation["mac"].lower() if workstation else "",
        seen_by=(info.type.removesuffix(".local."),),
        cluster=properties.get("cluster") or "",
        role=properties.get("role") or "",
    )


def _questions(addresses: Iterable[str]) -> list[DNSQuestion]:
    return [
        *(_reverse_question(address) for address in addresses),
        *(DNSQuestion(f"{name}.local.", _A, _IN) for name in LIKELY_NAMES),
    ]


def _reverse_question(address: str) -> DNSQuestion:
    return DNSQuestion(IPv4Address(address).reverse_pointer + ".", _PTR, _IN)


def _reversed_address(name: str) -> str:
    return ".".join(reversed(name.removesuffix(_REVERSE).split(".")))


def _host(name: str) -> str:
    return name.removesuffix(".").removesuffix(".local")
