"""The wire contract, route by route: a request, the state it meets, and the answer it must get."""

import json
import time
from dataclasses import dataclass, field

import pytest
import requests
from support.faas_cli import replay
from support.fake_proxy import FakeEar, FakeProxy, fake_tallier
from support.fake_swarm import NOT_LISTENING, fake_swarm
from support.serving import served

from piswarm.gateway.app import create_app
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.calls import Calls
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy_config import DataPlane
from piswarm.gateway.image import Image
from piswarm.gateway.swarm import Swarm
from piswarm.gateway.tally import Tally

USER = ("admin", "secret")
ECHO = {"service": "echo", "image": "functions/echo:1"}
LIMITED = {**ECHO, "limits": {"memory": "64m", "cpu": "500m"}, "secrets": ["s1"], "labels": {"l": "1"}}


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
    Case("POST", "/system/functions", 400, body={**ECHO, "limits": {"cpu": "100"}}, text="has 4 CPUs"),
    Case("POST", "/system/functions", 400, body={**ECHO, "requests": {"memory": "2g"}}, text="has 1Gi"),
    Case(
        "POST",
        "/system/functions",
        400,
        body={**ECHO, "image": "for/amd64"},
        text="the nodes are arm64, armhf",
    ),
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
    # Secrets
    Case("GET", "/system/secrets", 200, text='[{"name":"s1","namespace":"openfaas-fn"}]'),
    Case("GET", "/system/secrets", 401, user=None),
    Case("POST", "/system/secrets", 201, body={"name": "s2", "value": "v"}),
    Case("POST", "/system/secrets", 201, body={"name": "s2", "namespace": "openfaas-fn", "rawValue": "AAE="}),
    Case("POST", "/system/secrets", 409, body={"name": "s1", "value": "v"}, text="already"),
    Case("POST", "/system/secrets", 400, body={"name": "s2"}, text="value"),
    Case("POST", "/system/secrets", 400, body={"name": "s2", "value": ""}, text="value"),
    Case("POST", "/system/secrets", 400, body={"name": "s2", "rawValue": "?"}, text="base64"),
    Case("POST", "/system/secrets", 400, body={"name": "s2", "value": "v" * 512_001}, text="bytes"),
    Case("POST", "/system/secrets", 400, body={"name": "../s2", "value": "v"}, text="name"),
    Case("PUT", "/system/secrets", 200, body={"name": "s1", "value": "new"}),
    Case("PUT", "/system/secrets", 404, body={"name": "s2", "value": "new"}, text="s2"),
    Case("DELETE", "/system/secrets", 202, body={"name": "s1"}),
    Case("DELETE", "/system/secrets", 404, body={"name": "s2"}, text="s2"),
    Case("DELETE", "/system/secrets", 409, body={"name": "s1"}, deployed=[LIMITED], text="used by echo"),
    # Logs
    Case("GET", "/system/logs?name=echo", 200, deployed=[ECHO]),
    Case("GET", "/system/logs?name=echo.openfaas-fn&tail=-1&follow=false", 200, deployed=[ECHO]),
    Case("GET", "/system/logs?name=echo", 404, text="No such service found: echo."),
    Case("GET", "/system/logs", 422, text="name"),
    Case("GET", "/system/logs?name=echo&tail=many", 422, deployed=[ECHO], text="tail"),
    Case("GET", "/system/logs?name=echo&follow=perhaps", 422, deployed=[ECHO], text="follow"),
    Case("GET", "/system/logs?name=echo&since=yesterday", 422, deployed=[ECHO], text="since"),
    Case("GET", "/system/logs?name=echo", 401, user=None),
    # Nodes
    Case("GET", "/system/nodes", 200, text='"name":"pi3","role":"worker","leader":false,"state":"ready"'),
    Case("GET", "/system/nodes", 401, user=None),
    # What other managers ask
    Case("GET", "/system/calls", 200, text='"functions":{'),
    Case("GET", "/system/calls", 401, user=None),
    # Namespaces: one, and no other
    Case("GET", "/system/namespaces", 200, text='["openfaas-fn"]'),
    Case("GET", "/system/namespace/dev", 501, text="one namespace"),
    Case("POST", "/system/namespace/", 501, body={"name": "dev"}),
    Case("POST", "/system/alert", 501, body={}),
    # About the gateway
    Case("GET", "/system/info", 200, text='"orchestration":"swarm"'),
    Case("GET", "/system/openapi.json", 200, text='"openapi":"3.1.0"'),
    # What is not there
    Case("POST", "/async-function/echo", 501, user=None, text="no queue"),
    Case("GET", "/async-function/echo", 405, user=None),
    Case("PATCH", "/system/functions", 405),
    Case("GET", "/system/nothing", 404, text="404 page not found"),
    # Metrics: HAProxy lets them out on a port of their own
    Case(
        "GET",
        "/metrics",
        200,
        user=None,
        deployed=[ECHO],
        text='gateway_service_count{function_name="echo"} 1.0',
    ),
    # What HAProxy asks
    Case("GET", "/replica/echo", 200, deployed=[ECHO], user=None, text=NOT_LISTENING),
    Case("GET", "/replica/echo", 404, user=None),
]


@pytest.fixture(scope="module")
def serving():
    """Serve one gateway over a Swarm in memory for all tests."""
    swarm, proxy, ear = fake_swarm(), FakeProxy({}), FakeEar()
    app = create_app(
        Credentials(*USER),
        swarm,
        proxy,
        Follower(swarm.functions, proxy, DataPlane(), refresh_s=60),
        fake_tallier(proxy, ear),
    )
    with served(app) as address:
        yield Gateway(address, swarm, proxy, ear)


@dataclass
class Gateway:
    """A gateway at `address` and what is behind it."""

    address: str
    swarm: Swarm
    proxy: FakeProxy
    ear: FakeEar

    def ask(self, method, path, **more):
        more = {"auth": USER, "timeout": 10, "allow_redirects": False, **more}
        return requests.request(method, f"http://{self.address}{path}", **more)

    def deploy(self, document):
        self.ask("POST", "/system/functions", json=document).raise_for_status()


@pytest.fixture
def gateway(serving):
    """Give the gateway with one secret and nothing else in its Swarm."""
    serving.swarm.functions.services.clear()
    serving.swarm.secrets.values = {"s1": b"value"}
    serving.swarm.logs.lines.clear()
    serving.swarm.functions.images = {"for/amd64": Image("sha256:0", frozenset({"amd64"}))}
    return serving


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_contract_is_kept(gateway, case):
    for document in case.deployed:
        gateway.deploy(document)
    body = case.body if isinstance(case.body, bytes) or case.body is None else json.dumps(case.body)
    answer = gateway.ask(case.method, case.path, data=body, auth=case.user)
    assert answer.status_code == case.status, answer.text
    assert case.text in answer.text
    if answer.status_code in (201, 202, 204):
        assert answer.content == b""


def test_a_refusal_asks_for_basic_authentication(gateway):
    answer = gateway.ask("GET", "/system/functions", auth=None)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Restricted"'
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_the_root_leads_to_the_page(gateway):
    assert gateway.ask("GET", "/").headers["Location"] == "/ui/"


def test_a_deployed_function_is_told_completely(gateway):
    gateway.deploy(LIMITED)
    assert gateway.ask("GET", "/system/function/echo").json() == {
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
        "calls": {
            "answers": {"1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0},
            "underWay": 0,
            "queued": 0,
            "latencyMs": 0,
        },
        "replicas": 1,
        "availableReplicas": 1,
        "state": "ready",
        "reason": "",
        "createdAt": "2026-11-20T12:00:00Z",
    }


def test_info_has_what_clients_fall_over_without(gateway):
    info = gateway.ask("GET", "/system/info").json()
    assert info["provider"]["version"]["release"] == info["version"]["release"] != ""


def test_haproxy_knows_a_function_before_its_deployer_hears_of_success(gateway):
    gateway.deploy({**ECHO, "service": "fresh"})
    assert "backend function:fresh" in gateway.proxy.text
    gateway.ask("DELETE", "/system/functions", json={"functionName": "fresh"}).raise_for_status()
    assert "function:fresh" not in gateway.proxy.text


def test_an_update_keeps_the_replicas(gateway):
    gateway.deploy(ECHO)
    gateway.ask("POST", "/system/scale-function/echo", json={"replicas": 3}).raise_for_status()
    gateway.ask("PUT", "/system/functions", json=ECHO).raise_for_status()
    assert gateway.swarm.functions.one("echo").replicas == 3


def test_a_secrets_value_goes_in_and_does_not_come_out(gateway):
    for method, document in (
        ("POST", {"name": "raw", "rawValue": "AAH/"}),
        ("PUT", {"name": "s1", "value": "nächster"}),
    ):
        gateway.ask(method, "/system/secrets", json=document).raise_for_status()
    assert gateway.swarm.secrets.values == {"raw": b"\x00\x01\xff", "s1": "nächster".encode()}
    listed = gateway.ask("GET", "/system/secrets").text
    assert "chster" not in listed
    assert "AAH" not in listed


def read_lines(gateway, query):
    answer = gateway.ask("GET", f"/system/logs?{query}")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_logs_are_one_json_object_a_line(gateway):
    gateway.deploy(ECHO)
    gateway.swarm.logs.write("echo", 'said "hä"')
    assert read_lines(gateway, "name=echo") == [
        {
            "name": "echo",
            "namespace": "openfaas-fn",
            "instance": "task1",
            "timestamp": "2026-11-20T12:00:00.123456789Z",
            "text": 'said "hä"',
        }
    ]


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("tail=2", ["two", "three"]),
        ("tail=0", []),
        ("since=2026-11-20T13:00:00Z", ["two", "three"]),
        ("instance=task2", ["three"]),
    ],
)
def test_logs_can_be_cut(gateway, query, texts):
    gateway.deploy(ECHO)
    gateway.swarm.logs.write("echo", "one", timestamp="2026-11-20T12:00:00Z")
    gateway.swarm.logs.write("echo", "two", timestamp="2026-11-20T13:00:00Z")
    gateway.swarm.logs.write("echo", "three", instance="task2", timestamp="2026-11-20T14:00:00Z")
    assert [line["text"] for line in read_lines(gateway, f"name=echo&{query}")] == texts


def test_followed_logs_come_as_they_are_written_and_end_with_the_reader(gateway):
    gateway.deploy(ECHO)
    gateway.swarm.logs.write("echo", "before")
    answer = gateway.ask("GET", "/system/logs?name=echo&follow=true", stream=True)
    lines = answer.iter_lines()
    assert json.loads(next(lines))["text"] == "before"
    gateway.swarm.logs.write("echo", "after")
    assert json.loads(next(lines))["text"] == "after"
    answer.close()
    deadline = time.monotonic() + 10
    while gateway.swarm.logs.readers:
        assert time.monotonic() < deadline, "the reader is gone and its logs are still read"
        time.sleep(0.01)


def test_calls_are_told_and_counted_under_the_names_that_dashboards_know(gateway):
    gateway.deploy(ECHO)
    answers = {"1xx": 0, "2xx": 7, "3xx": 0, "4xx": 0, "5xx": 2}
    gateway.proxy.counted = {"echo": Calls(answers, under_way=1, queued=0, latency_ms=12)}
    told = gateway.ask("GET", "/system/function/echo").json()
    gateway.ear.heard = {"echo": Tally({(200, 0): 5, (204, 2): 2, (503, 11): 2}, seconds=40.5)}
    metrics = gateway.ask("GET", "/metrics").text
    gateway.proxy.counted = {}
    assert (told["invocationCount"], told["calls"]["latencyMs"]) == (9, 12)
    for line in (
        'gateway_function_invocation_total{code="200",function_name="echo"} 5.0',
        'gateway_function_invocation_total{code="204",function_name="echo"} 2.0',
        'gateway_function_invocation_total{code="503",function_name="echo"} 2.0',
        'gateway_function_invocation_started{function_name="echo"} 10.0',
        'gateway_functions_seconds_bucket{function_name="echo",le="0.005"} 5.0',
        'gateway_functions_seconds_bucket{function_name="echo",le="10.0"} 7.0',
        'gateway_functions_seconds_bucket{function_name="echo",le="+Inf"} 9.0',
        'gateway_functions_seconds_count{function_name="echo"} 9.0',
        'gateway_functions_seconds_sum{function_name="echo"} 40.5',
        'http_requests_total{method="GET",path="/system/function/{name}",status="200"}',
    ):
        assert line in metrics


def test_faas_cli_finds_what_it_expects(gateway):
    gateway.swarm.secrets.values.clear()
    assert replay(gateway.ask, "functions/echo:1") == []


def test_a_client_that_never_logged_in_is_answered_as_it_expects(gateway):
    answer = gateway.ask("GET", "/system/functions", auth=None, headers={"Authorization": "Bearer "})
    assert answer.status_code == 401
