"""The API's description against the API: the same routes, and answers as described for whatever is sent."""

import json

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fake_swarm import fake_swarm
from support.serving import served

from piswarm.gateway.app import create_app
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy_config import DataPlane
from piswarm.gateway.openapi import openapi

USER = ("admin", "secret")
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


class QuietProxy:
    def apply(self, _):
        return True

    def calls(self):
        return {}


@pytest.fixture(scope="module")
def app():
    swarm, proxy = fake_swarm(["s1"]), QuietProxy()
    return create_app(
        Credentials(*USER), swarm, proxy, Follower(swarm.functions, proxy, DataPlane(), refresh_s=60)
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


names = st.sampled_from(["echo", "other", "s1", "Echo", "", "a" * 64]) | st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    [
        "service",
        "image",
        "namespace",
        "envProcess",
        "envVars",
        "constraints",
        "secrets",
        "labels",
        "annotations",
        "limits",
        "requests",
        "readOnlyRootFilesystem",
        "functionName",
        "serviceName",
        "replicas",
        "name",
        "value",
        "rawValue",
        "registryAuth",
    ]
)
plausible = st.fixed_dictionaries(
    {},
    optional={
        "service": names,
        "image": st.just("i") | st.text(max_size=4),
        "functionName": names,
        "replicas": st.integers(-2, 1002),
        "name": names,
        "value": st.text(max_size=4),
        "rawValue": st.text(max_size=4),
        "labels": st.dictionaries(
            st.sampled_from(["com.openfaas.scale.min", "com.piswarm.timeout", "x"]), st.text(max_size=4)
        ),
        "limits": st.dictionaries(st.sampled_from(["memory", "cpu"]), st.text(max_size=5)),
        "secrets": st.lists(names, max_size=2),
        "constraints": st.lists(st.text(max_size=8), max_size=2),
    },
)
bodies = (st.dictionaries(fields, values, max_size=6) | plausible | values).map(json.dumps).map(
    str.encode
) | st.binary(max_size=20)
queries = st.dictionaries(
    st.sampled_from(["name", "instance", "tail", "since", "namespace", "usage"]), st.text(max_size=8)
)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names, body=bodies, query=queries)
def test_whatever_is_sent_gets_an_answer_that_is_described(address, method, path, name, body, query):
    url = address + path.replace("{name}", requests.utils.quote(name or "x", safe=""))
    answer = requests.request(method, url, data=body, params=query, auth=USER, timeout=10)
    described = openapi()["paths"][path][method.lower()]["responses"]
    routed_elsewhere = "{name}" in path and "/" in name
    assert str(answer.status_code) in described or (routed_elsewhere and answer.status_code == 404), (
        answer.text
    )
