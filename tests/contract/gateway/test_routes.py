"""The wire contract, route by route: a request, the state it meets, and the answer it must get."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests
from support.fake_swarm import FakeSwarm
from support.serving import served

from piswarm.gateway.app import create_app
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy_config import DataPlane

USER = ("admin", "secret")
ECHO = {"service": "echo", "image": "functions/echo:1"}
LIMITED = {**ECHO, "limits": {"memory": "64m", "cpu": "500m"}, "secrets": ["s1"], "labels": {"l": "1"}}


class RecordingProxy:
    """Takes every configuration and remembers the last."""

    text = ""

    def apply(self, configuration):
        self.text = configuration.text
        return True


@dataclass
class Case:
    """One row of the contract: JSON bodies are sent as such, `text` is part of the answer."""

    method: str
    path: str
    status: int
    body: object = None
    text: str = ""
    deployed: list = field(default_factory=list)
    user: tuple | None = USER

    def __str__(self):
        return f"{self.method} {self.path} -> {self.status}"


CASES = [
    # Who may come in
    Case("GET", "/system/functions", 401, user=None, text="invalid credentials"),
    Case("GET", "/system/functions", 401, user=("admin", "wrong"), text="invalid credentials"),
    Case("POST", "/system/functions", 401, body=ECHO, user=("other", "secret")),
    Case("GET", "/system/nothing", 401, user=None),
    Case("GET", "/ui/", 401, user=None),
    Case("GET", "/healthz", 200, user=None, text="OK"),
    Case("GET", "/", 301, user=None),
    Case("GET", "/ui/", 200, text="piswarm"),
    # List and describe
    Case("GET", "/system/functions", 200, text="[]"),
    Case("GET", "/system/functions?namespace=", 200, deployed=[ECHO], text='"name":"echo"'),
    Case("GET", "/system/function/echo", 200, deployed=[ECHO], text='"availableReplicas":1'),
    Case("GET", "/system/function/echo?usage=1", 200, deployed=[LIMITED], text='"cpu":"500m"'),
    Case("GET", "/system/function/echo.openfaas-fn", 200, deployed=[ECHO]),
    Case("GET", "/system/function/ech", 404, deployed=[ECHO], text="No such service found: ech."),
    # Deploy
    Case("POST", "/system/functions", 202, body=ECHO),
    Case("POST", "/system/functions", 202, body=LIMITED),
    Case("POST", "/system/functions", 400, body=ECHO, deployed=[ECHO], text="already"),
    Case(
        "POST",
        "/system/functions",
        400,
        body={**ECHO, "secrets": ["missing"]},
        text="no such secret: missing",
    ),
    Case("POST", "/system/functions", 400, body={**ECHO, "service": "Echo"}, text="Deployment error"),
    Case("POST", "/system/functions", 400, body={"service": "echo"}, text="image"),
    Case("POST", "/system/functions", 400, body=b"{", text="JSON"),
    Case("POST", "/system/functions", 413, body=b" " * (2**20 + 1)),
    # Update
    Case("PUT", "/system/functions", 202, body={**ECHO, "image": "functions/echo:2"}, deployed=[ECHO]),
    Case("PUT", "/system/functions", 404, body=ECHO, text="No such service found: echo."),
    Case("PUT", "/system/functions", 400, body={**ECHO, "limits": {"cpu": "x"}}, deployed=[ECHO]),
    # Delete
    Case("DELETE", "/system/functions", 202, body={"functionName": "echo"}, deployed=[ECHO]),
    Case(
        "DELETE", "/system/functions", 202, body={"functionName": "echo", "namespace": "dev"}, deployed=[ECHO]
    ),
    Case(
        "DELETE", "/system/functions", 404, body={"functionName": "echo"}, text="No such service found: echo."
    ),
    Case("DELETE", "/system/functions", 400, body={}, text="functionName"),
    # Scale
    Case(
        "POST",
        "/system/scale-function/echo",
        202,
        body={"serviceName": "echo", "replicas": 3},
        deployed=[ECHO],
    ),
    Case("POST", "/system/scale-function/echo", 404, body={"serviceName": "echo", "replicas": 3}),
    Case("POST", "/system/scale-function/echo", 400, body={"replicas": -1}, deployed=[ECHO], text="replicas"),
    Case("POST", "/system/scale-function/echo", 400, body=b"", deployed=[ECHO], text="JSON"),
    # About the gateway
    Case("GET", "/system/info", 200, text='"orchestration":"swarm"'),
    # What is not there
    Case("POST", "/async-function/echo", 501, user=None, text="no queue"),
    Case("GET", "/async-function/echo", 405, user=None),
    Case("PATCH", "/system/functions", 405),
    Case("GET", "/system/nothing", 404, text="404 page not found"),
    Case("GET", "/metrics", 404, user=None, text="404 page not found"),
    # What HAProxy asks
    Case("GET", "/replica/echo", 204, deployed=[ECHO], user=None),
    Case("GET", "/replica/echo", 404, user=None),
]


@contextmanager
def gateway(*deployments):
    """Serve a gateway over a Swarm in memory where `deployments` are deployed already."""
    swarm, proxy = FakeSwarm(secrets=["s1"]), RecordingProxy()
    app = create_app(Credentials(*USER), swarm, Follower(swarm, proxy, DataPlane(), refresh_s=60))
    with served(app) as address:
        for deployment in deployments:
            requests.post(
                f"http://{address}/system/functions", json=deployment, auth=USER, timeout=10
            ).raise_for_status()
        yield address, swarm, proxy


def ask(address, case):
    body = case.body if isinstance(case.body, bytes) or case.body is None else json.dumps(case.body)
    return requests.request(
        case.method,
        f"http://{address}{case.path}",
        data=body,
        auth=case.user,
        timeout=10,
        allow_redirects=False,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_contract_is_kept(case):
    with gateway(*case.deployed) as (address, _, _):
        answer = ask(address, case)
    assert answer.status_code == case.status, answer.text
    assert case.text in answer.text
    if answer.status_code in (202, 204):
        assert answer.content == b""


def test_a_refusal_asks_for_basic_authentication():
    with gateway() as (address, _, _):
        answer = requests.get(f"http://{address}/system/functions", timeout=10)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Restricted"'
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_the_root_leads_to_the_page():
    with gateway() as (address, _, _):
        answer = requests.get(f"http://{address}/", timeout=10, allow_redirects=False)
    assert answer.headers["Location"] == "/ui/"


def test_a_deployed_function_is_told_completely():
    with gateway(LIMITED) as (address, _, _):
        told = requests.get(f"http://{address}/system/function/echo", auth=USER, timeout=10).json()
    assert told == {
        "name": "echo",
        "image": "functions/echo:1",
        "namespace": "openfaas-fn",
        "envProcess": "",
        "envVars": {},
        "constraints": [],
        "secrets": ["s1"],
        "labels": {"l": "1"},
        "annotations": {},
        "limits": {"memory": "64Mi", "cpu": "500m"},
        "requests": {},
        "readOnlyRootFilesystem": False,
        "invocationCount": 0,
        "replicas": 1,
        "availableReplicas": 1,
        "createdAt": "2026-11-20T12:00:00Z",
    }


def test_info_has_what_clients_fall_over_without():
    with gateway() as (address, _, _):
        info = requests.get(f"http://{address}/system/info", auth=USER, timeout=10).json()
    assert info["provider"]["version"]["release"] == info["version"]["release"] != ""


def test_haproxy_knows_a_function_before_its_deployer_hears_of_success():
    with gateway() as (address, _, proxy):
        assert "function:echo" not in proxy.text
        requests.post(
            f"http://{address}/system/functions", json=ECHO, auth=USER, timeout=10
        ).raise_for_status()
        assert "backend function:echo" in proxy.text
        requests.delete(
            f"http://{address}/system/functions", json={"functionName": "echo"}, auth=USER, timeout=10
        ).raise_for_status()
        assert "function:echo" not in proxy.text


def test_an_update_keeps_the_replicas():
    with gateway(ECHO) as (address, swarm, _):
        requests.post(
            f"http://{address}/system/scale-function/echo", json={"replicas": 3}, auth=USER, timeout=10
        ).raise_for_status()
        requests.put(
            f"http://{address}/system/functions", json=ECHO, auth=USER, timeout=10
        ).raise_for_status()
        assert swarm.function("echo").replicas == 3
