"""The gateway on a real Swarm: what its tests with a Swarm in memory cannot show."""

from __future__ import annotations

import json
import shlex
import threading
import time
from dataclasses import dataclass, replace

import pytest
import requests
from support.faas_cli import replay

from piswarm.gateway.haproxy_config import GUESSES_A_MINUTE
from tests.lab.laboratory import NODES, Workplace

pytestmark = pytest.mark.lab

ANSWER_WITHIN_S = 60.0
REASON_WITHIN_S = 2.0


@dataclass(frozen=True)
class Gateway:
    """A cluster's gateway, its user, and an image that runs any program for each request."""

    url: str
    user: tuple[str, str]
    image: str

    def ask(self, method: str, path: str, **more) -> requests.Response:
        return requests.request(method, self.url + path, auth=self.user, timeout=ANSWER_WITHIN_S, **more)

    def deploy(self, name: str, program: str, **more) -> None:
        document = {"service": name, "image": self.image, "envProcess": program, **more}
        answer = self.ask("PUT", "/system/functions", json=document)
        if answer.status_code == 404:
            answer = self.ask("POST", "/system/functions", json=document)
        assert answer.status_code == 202, answer.text

    def call(self, name: str, **more) -> requests.Response:
        return requests.post(f"{self.url}/function/{name}", timeout=ANSWER_WITHIN_S, **more)

    def status(self, name: str) -> dict:
        return self.ask("GET", f"/system/function/{name}").json()

    def scale(self, name: str, replicas: int) -> None:
        answer = self.ask("POST", f"/system/scale-function/{name}", json={"replicas": replicas})
        assert answer.status_code == 202, answer.text

    def until(self, name: str, met) -> dict:
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while not met(status := self.status(name)):
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        return status


@pytest.fixture(scope="module")
def gateway(functest: Workplace) -> Gateway:
    described = json.loads(functest.piswarm("describe", "functest", "--json").stdout)
    credentials = functest.home / "clusters" / functest.lab.name / "credentials.json"
    login = json.loads(credentials.read_text())["gateway"]
    url = str(described["url"]).removesuffix("/function/functest")
    user = (login["user"], login["password"])
    image = requests.get(f"{url}/system/function/functest", auth=user, timeout=ANSWER_WITHIN_S).json()[
        "image"
    ]
    return Gateway(url, user, image)


@pytest.fixture
def echo(gateway: Gateway):
    """A function that gives back what it gets."""
    gateway.deploy("echo", "cat")
    gateway.until("echo", lambda status: status["state"] == "ready")
    yield "echo"
    gateway.ask("DELETE", "/system/functions", json={"functionName": "echo"})


def test_faas_cli_finds_what_it_expects(gateway: Gateway):
    assert replay(gateway.ask, gateway.image) == []


def test_a_changed_secret_reaches_the_function(gateway: Gateway):
    gateway.ask("POST", "/system/secrets", json={"name": "token", "value": "first"}).raise_for_status()
    try:
        gateway.deploy("teller", "cat /var/openfaas/secrets/token", secrets=["token"])
        assert gateway.call("teller").text == "first"
        assert gateway.ask("DELETE", "/system/secrets", json={"name": "token"}).status_code == 409
        gateway.ask("PUT", "/system/secrets", json={"name": "token", "value": "second"}).raise_for_status()
        gateway.until("teller", lambda status: status["state"] == "ready")
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while (told := gateway.call("teller").text) != "second":
            assert time.monotonic() < deadline, told
            time.sleep(0.2)
    finally:
        gateway.ask("DELETE", "/system/functions", json={"functionName": "teller"})
        assert gateway.ask("DELETE", "/system/secrets", json={"name": "token"}).status_code == 202


def test_the_first_call_wakes_a_sleeping_function(gateway: Gateway, echo: str):
    gateway.scale(echo, 0)
    gateway.until(echo, lambda status: status["state"] == "asleep")
    time.sleep(5)  # the replica that ends goes on serving for a moment
    assert gateway.call(echo, data="awake?").text == "awake?"


def test_an_image_that_is_not_there_is_refused(gateway: Gateway):
    image = gateway.image.split("/")[0] + "/nobody/made-this:1"
    answer = gateway.ask("POST", "/system/functions", json={"service": "ghost", "image": image})
    assert answer.status_code == 400
    assert "manifest unknown" in answer.text


def test_a_function_without_a_node_says_why(gateway: Gateway):
    gateway.deploy("homeless", "cat", constraints=["node.labels.nowhere==true"])
    try:
        status = gateway.until("homeless", lambda status: status["state"] == "failing")
        assert "no suitable node" in status["reason"]
        began = time.monotonic()
        answer = gateway.call("homeless")
        assert (answer.status_code, time.monotonic() - began < REASON_WITHIN_S) == (503, True)
        assert "no suitable node" in answer.text
    finally:
        gateway.ask("DELETE", "/system/functions", json={"functionName": "homeless"})


def test_no_call_fails_while_replicas_come_and_go(gateway: Gateway, echo: str):
    gateway.scale(echo, 2)
    gateway.until(echo, lambda status: status["state"] == "ready")
    faults, calls = [], 0
    done = threading.Event()

    def call_until_done() -> None:
        nonlocal calls
        with requests.Session() as session:
            while not done.is_set():
                answer = session.post(f"{gateway.url}/function/{echo}", data="x", timeout=ANSWER_WITHIN_S)
                calls += 1
                if (answer.status_code, answer.text) != (200, "x"):
                    faults.append(f"{answer.status_code}: {answer.text}")
                time.sleep(0.02)

    callers = [threading.Thread(target=call_until_done) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        gateway.scale(echo, 5)
        gateway.until(echo, lambda status: status["availableReplicas"] == 5)
        gateway.scale(echo, 2)
        gateway.deploy(echo, "cat", envVars={"changed": "yes"})
        gateway.until(echo, lambda status: status["state"] == "ready" and status["envVars"])
    finally:
        done.set()
        for caller in callers:
            caller.join(ANSWER_WITHIN_S)
    assert faults == []
    assert calls > 50


def test_metrics_count_what_was_called(gateway: Gateway, echo: str):
    before = gateway.status(echo)["invocationCount"]
    for _ in range(3):
        assert gateway.call(echo, data="x").status_code == 200
    assert gateway.status(echo)["invocationCount"] == before + 3
    metrics = requests.get(gateway.url.replace(":8080", ":8082") + "/metrics", timeout=ANSWER_WITHIN_S).text
    assert f'gateway_function_invocation_total{{code="200",function_name="{echo}"}}' in metrics


def test_each_manager_tells_the_calls_of_all(gateway: Gateway, functest: Workplace, echo: str):
    nodes = functest.piswarm("lab", "status", "--json").document()["nodes"]
    others = [replace(gateway, url=f"http://{node['address']}:8080") for node in nodes]
    before = gateway.status(echo)["invocationCount"]
    for one in others:
        assert one.call(echo, data="x").status_code == 200
    for one in others:
        one.until(echo, lambda status: status["invocationCount"] == before + len(others))


def test_who_guesses_at_the_password_is_slowed_down_through_new_configurations(
    gateway: Gateway, functest: Workplace
):
    assert guess(functest, gateway, times=GUESSES_A_MINUTE + 1) == [401] * GUESSES_A_MINUTE + [429]
    try:
        gateway.deploy("another", "cat")
        assert gateway.call("another", data="x").status_code == 200
        assert 429 in guess(functest, gateway, times=2)  # the rate falls with time: one more may pass
    finally:
        gateway.ask("DELETE", "/system/functions", json={"functionName": "another"})


def guess(user: Workplace, gateway: Gateway, times: int) -> list[int]:
    """Return what the gateway answers to wrong passwords, sent from a node so that only that is slowed down."""
    program = f"""
import base64, urllib.error, urllib.request
for number in range({times}):
    request = urllib.request.Request("{gateway.url}/system/functions")
    request.add_header("Authorization", "Basic " + base64.b64encode(b"admin:guess%d" % number).decode())
    try:
        print(urllib.request.urlopen(request, timeout={ANSWER_WITHIN_S}).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
    told = user.on_node(NODES[2], f"python3 -c {shlex.quote(program)}")
    return [int(line) for line in told.split()]


def test_the_nodes_are_told(gateway: Gateway):
    nodes = gateway.ask("GET", "/system/nodes").json()
    assert [node["state"] for node in nodes] == ["ready"] * len(nodes)
    assert sum(node["leader"] for node in nodes) == 1
