"""The calls of all managers' gateways: each asked for its share over a real socket."""

from contextlib import ExitStack

import pytest
import requests
from support.fake_proxy import FakeEar, FakeProxy, fake_tallier
from support.fake_swarm import fake_swarm
from support.serving import served

from piswarm.gateway.app import create_app
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.calls import CLASSES, Calls
from piswarm.gateway.deployment import parse_deployment
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy_config import DataPlane

USER = ("admin", "secret")
NOBODY = "127.0.0.1:1"


def calls(ok, failed=0, latency_ms=0):
    return Calls({**dict.fromkeys(CLASSES, 0), "2xx": ok, "5xx": failed}, 1, 2, latency_ms)


@pytest.fixture
def gateways():
    """Serve a gateway for each of some counts; give a function that starts them and lists their addresses."""
    addresses = []
    with ExitStack() as stack:

        def start(*counted, password=USER[1]):
            for one in counted:
                swarm, proxy = fake_swarm(), FakeProxy(one and {"echo": one})
                swarm.functions.create(parse_deployment({"service": "echo", "image": "i"}))
                follower = Follower(swarm.functions, proxy, DataPlane(), refresh_s=60)
                app = create_app(
                    Credentials(USER[0], password),
                    swarm,
                    proxy,
                    follower,
                    fake_tallier(proxy, FakeEar()),
                    find_gateways=lambda: addresses,
                )
                addresses.append(stack.enter_context(served(app)))
            return addresses

        yield start


def told(address):
    answer = requests.get(f"http://{address}/system/function/echo", auth=USER, timeout=10)
    return answer.json()


def test_each_gateway_tells_the_calls_of_all(gateways):
    for address in gateways(calls(5, latency_ms=10), calls(15, failed=20, latency_ms=50)):
        function = told(address)
        assert function["invocationCount"] == 40
        assert (function["calls"]["answers"]["2xx"], function["calls"]["answers"]["5xx"]) == (20, 20)
        assert (function["calls"]["underWay"], function["calls"]["queued"]) == (2, 4)
        assert function["calls"]["latencyMs"] == 45


def test_a_gateway_that_does_not_answer_is_left_out(gateways):
    addresses = gateways(calls(5), calls(7), None)
    gateways(calls(100), password="another")
    addresses.append(NOBODY)
    assert told(addresses[0])["invocationCount"] == 12


def test_alone_it_asks_nobody(gateways):
    assert told(gateways(calls(5))[0])["invocationCount"] == 5
