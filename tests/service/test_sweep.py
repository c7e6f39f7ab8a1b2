"""Knocking at SSH ports, on real sockets."""

import asyncio
from contextlib import asynccontextmanager
from ipaddress import IPv4Interface

import pytest

from piswarm.cluster.links import Link
from piswarm.cluster.sweep import read_banner, sweep_ssh

ADDRESS = "127.0.0.1"


@asynccontextmanager
async def server_that_says(first: bytes):
    async def greet(_, writer):
        writer.write(first)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, ADDRESS, 0) as server:
        yield server.sockets[0].getsockname()[1]


def banner_of(first: bytes) -> str:
    async def ask():
        async with server_that_says(first) as port:
            return await read_banner(ADDRESS, port)

    return asyncio.run(ask())


def test_an_ssh_server_says_what_it_is():
    assert (
        banner_of(b"SSH-2.0-OpenSSH_9.2p1 Raspbian-2+deb12u7\r\n")
        == "SSH-2.0-OpenSSH_9.2p1 Raspbian-2+deb12u7"
    )


@pytest.mark.parametrize("first", [b"HTTP/1.1 400 Bad Request\r\n", b"", b"x" * 4000 + b"\n"])
def test_what_is_not_an_ssh_server_is_none(first):
    assert banner_of(first) == ""


def test_a_closed_port_is_none():
    async def ask():
        async with server_that_says(b"") as port:
            pass
        return await read_banner(ADDRESS, port)

    assert asyncio.run(ask()) == ""


def test_a_server_that_never_speaks_is_given_up():
    async def ask():
        async with await asyncio.start_server(lambda *_: asyncio.sleep(5), ADDRESS, 0) as server:
            return await read_banner(ADDRESS, server.sockets[0].getsockname()[1], timeout_s=0.1)

    assert asyncio.run(ask()) == ""


def test_our_own_network_interface_is_never_knocked_at():
    seen = []
    asyncio.run(sweep_ssh(Link("lo", (IPv4Interface("127.0.0.1/8"),)), seen.append))
    assert seen == []
