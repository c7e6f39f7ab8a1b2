"""The API's description against the API: the same routes, and answers as described for whatever is sent."""

import subprocess
import sys

import pytest
from support.fake_proxy import FakeEar, FakeProxy, fake_tallier
from support.fake_swarm import fake_swarm
from support.serving import served

from piswarm.gateway.app import create_app
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy_config import DataPlane
from piswarm.gateway.openapi import openapi

USER = ("admin", "secret")
DEADLINE_S = 120
NOT_DESCRIBED = {
    "/",  # leads to the page
    "/ui",
    "/metrics",  # on a port of its own
    "/replica/{name}",  # for HAProxy alone
    "/async-function/{path:path}",  # not offered
    "/system/alert",
    "/system/namespace/{path:path}",
    "/system/openapi.json",
}
OPERATIONS = [(method.upper(), path) for path, methods in openapi()["paths"].items() for method in methods]


@pytest.fixture(scope="module")
def app():
    swarm, proxy = fake_swarm(["s1"]), FakeProxy({})
    return create_app(
        Credentials(*USER),
        swarm,
        proxy,
        Follower(swarm.functions, proxy, DataPlane(), refresh_s=60),
        fake_tallier(proxy, FakeEar()),
    )


@pytest.fixture(scope="module")
def address(app):
    with served(app) as address:
        yield f"http://{address}"


def test_every_route_is_described_and_every_description_has_a_route(app):
    routes = {
        (method, route.path)
        for route in app.routes
        if route.path not in NOT_DESCRIBED
        for method in route.methods - {"HEAD"}
    }
    assert routes == set(OPERATIONS)


def test_whatever_is_sent_gets_an_answer_that_is_described(address, tmp_path):
    # That a function exists already or a secret does not is no matter of the document's: such requests are
    # refused although they are as described.
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/system/openapi.json"),
        *("--auth", ":".join(USER), "--exclude-checks", "positive_data_acceptance"),
        *("--seed", "1", "--max-examples", "60", "--generation-database", "none"),
        *("--request-timeout", "10", "--no-color"),
    ]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
