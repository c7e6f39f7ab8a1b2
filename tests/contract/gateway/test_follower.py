"""Following the Swarm: many changes at a time, few new configurations."""

import asyncio
import threading

import pytest
from support.fake_swarm import fake_swarm

from piswarm.gateway.deployment import parse_deployment
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy import DataPlaneError
from piswarm.gateway.haproxy_config import DataPlane

DEADLINE_S = 10


class SlowProxy:
    """Takes over a configuration when the test lets it."""

    def __init__(self):
        self.texts = []
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.refuses = False

    def apply(self, configuration):
        self.texts.append(configuration.text)
        self.began.set()
        assert self.may_end.wait(DEADLINE_S)
        if self.refuses:
            raise DataPlaneError("HAProxy refuses.")
        return True

    def calls(self):
        return {}


@pytest.fixture
def proxy():
    return SlowProxy()


@pytest.fixture
def swarm():
    return fake_swarm()


async def ask_while_one_is_under_way(swarm, proxy, count):
    """Let `count` changes ask for new routes while HAProxy takes over a configuration; return what they get."""
    follower = Follower(swarm.functions, proxy, DataPlane(), refresh_s=60)
    asked = [asyncio.create_task(follower.sync())]
    assert await asyncio.to_thread(proxy.began.wait, DEADLINE_S)
    for index in range(count):
        swarm.functions.create(parse_deployment({"service": f"f{index}", "image": "i"}))
        asked.append(asyncio.create_task(follower.sync()))
    await asyncio.sleep(0)
    proxy.may_end.set()
    return await asyncio.gather(*asked, return_exceptions=True)


def test_changes_that_come_while_one_is_taken_over_become_one_configuration(swarm, proxy):
    assert asyncio.run(ask_while_one_is_under_way(swarm, proxy, 10)) == [None] * 11
    assert len(proxy.texts) == 2
    assert all(f"backend function:f{index}\n" in proxy.texts[1] for index in range(10))


def test_each_of_them_hears_of_a_refusal(swarm, proxy):
    proxy.refuses = True
    heard = asyncio.run(ask_while_one_is_under_way(swarm, proxy, 3))
    assert [str(one) for one in heard] == ["HAProxy refuses."] * 4
