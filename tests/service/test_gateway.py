"""The gateway as it runs in its container: a real HAProxy, the controller behind it, functions behind both."""

import http.client
import itertools
import json
import os
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from support.gateway import DEADLINE_S, USER, ended, function_replica, route, running_gateway, start_haproxy

from piswarm.gateway.deployment import parse_deployment
from piswarm.gateway.drain import drain
from piswarm.gateway.haproxy import DataPlaneError, HAProxy
from piswarm.gateway.haproxy_config import GUESSES_A_MINUTE, Configuration, Route, render

AT_ONCE_S = 8.0
"""Less than any patience of the gateway: a slow computer does not fail these tests, a wait does."""


@pytest.fixture
def gateway(tmp_path):
    with running_gateway(tmp_path) as running:
        yield running


# Routing ---------------------------------------------------------------------------------------------


def test_a_call_reaches_the_function_with_its_path_query_method_and_body(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    answer = gateway.ask("/function/echo/a%2Fb/c?x=1&y=%20", method="PUT", data=b"x" * 100_000)
    told = answer.json()
    assert (told["method"], told["path"], told["length"]) == ("PUT", "/a%2Fb/c?x=1&y=%20", 100_000)


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/function/echo", "/"),
        ("/function/echo/", "/"),
        ("/function/echo?q", "/?q"),
        ("/function/echo/a//b", "/a//b"),
    ],
)
def test_the_prefix_is_taken_off(gateway, path, seen):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    assert gateway.ask(path).json()["path"] == seen


@pytest.mark.parametrize("name", ["echo.openfaas-fn", "echo.dev"])
def test_the_namespace_that_newer_clients_append_means_the_one_that_there_is(gateway, name):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    assert gateway.ask(f"/function/{name}/x").json()["path"] == "/x"


def test_the_contracts_headers_are_set(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    answer = gateway.ask("/function/echo", headers={"Host": "my.cloud"})
    sent = {name.lower(): value for name, value in answer.json()["headers"].items()}
    assert sent["x-call-id"] == answer.headers["X-Call-Id"]
    assert len(sent["x-call-id"]) == 36
    assert abs(int(sent["x-start-time"]) / 1e9 - time.time()) < DEADLINE_S
    assert sent["x-start-time"] == answer.headers["X-Start-Time"]
    assert sent["x-forwarded-host"] == sent["host"] == "my.cloud"
    assert sent["x-forwarded-for"].startswith("127.0.0.1:")


def test_each_call_on_a_kept_connection_has_a_start_of_its_own(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    with requests.Session() as session:
        began = []
        for _ in range(3):
            answer = session.get(f"{gateway.url}/function/echo", timeout=DEADLINE_S)
            began.append(int(answer.headers["X-Start-Time"]))
            time.sleep(0.05)
    assert all(later - earlier >= 40_000_000 for earlier, later in itertools.pairwise(began))


def test_the_callers_own_headers_are_kept(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    mine = {"X-Call-Id": "mine", "X-Forwarded-For": "10.1.1.1:5", "X-Forwarded-Host": "outer"}
    answer = gateway.ask("/function/echo", headers=mine)
    sent = {name.lower(): value for name, value in answer.json()["headers"].items()}
    assert {name: sent[name.lower()] for name in mine} == mine
    assert answer.headers["X-Call-Id"] == "mine"


def test_calls_are_spread_over_the_replicas(gateway):
    for address in ("127.0.1.1", "127.0.1.2", "127.0.1.3"):
        gateway.replica("echo", address)
    route(gateway, "echo")
    gateway.until(lambda answer: answer.json()["replica"] == "127.0.1.3", "/function/echo")
    seen = {gateway.ask("/function/echo").json()["replica"] for _ in range(12)}
    assert seen == {"127.0.1.1", "127.0.1.2", "127.0.1.3"}


def test_functions_do_not_see_each_others_calls(gateway):
    gateway.replica("one", "127.0.1.1")
    gateway.replica("two", "127.0.1.2")
    route(gateway, "one", "two")
    assert gateway.ask("/function/one").json()["replica"] == "127.0.1.1"
    assert gateway.ask("/function/two").json()["replica"] == "127.0.1.2"


# What cannot be answered -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nothing", "", "controller", "ECHO", "%00", "a" * 300])
def test_an_unknown_function_is_404_at_once(gateway, name):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    began = time.monotonic()
    answer = gateway.ask(f"/function/{name}")
    assert answer.status_code == 404
    assert answer.headers["X-OpenFaaS-Internal"] == "gateway"
    assert "Cannot find service" in answer.text
    assert time.monotonic() - began < AT_ONCE_S


def test_before_the_functions_are_known_nothing_is_called_missing(gateway):
    answer = gateway.ask("/function/echo")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_a_function_that_cannot_start_is_503_with_the_reason(gateway):
    with gateway.start_controller():
        deploy(gateway, "echo")
        gateway.swarm.functions.starts_replicas = False
        gateway.swarm.functions.troubles["echo"] = "No such image: i"
        began = time.monotonic()
        answer = gateway.ask("/function/echo", method="POST", data="x")
    assert answer.status_code == 503
    assert "No such image: i" in answer.text
    assert answer.headers["Retry-After"]
    assert time.monotonic() - began < AT_ONCE_S


def test_a_replica_that_does_not_listen_is_503_with_the_reason(gateway):
    gateway.names.addresses["tasks.echo"] = ["127.0.1.9"]
    with gateway.start_controller():
        deploy(gateway, "echo")
        answer = gateway.until(lambda answer: "accepts connections" in answer.text, "/function/echo")
    assert answer.status_code == 503


def test_without_a_controller_a_sleeping_function_is_503(gateway):
    route(gateway, "echo")
    answer = gateway.ask("/function/echo")
    assert answer.status_code == 503


def test_the_first_call_of_a_sleeping_function_waits_for_its_replica(gateway):
    with gateway.start_controller():
        deploy(gateway, "echo")
        gateway.swarm.functions.scale("echo", 0)
        caller = CallLater(gateway, "/function/echo", data=b"y" * 50_000)
        gateway.replica("echo", "127.0.1.1")
        answer = caller.answer()
        assert (answer.status_code, answer.json()["length"]) == (200, 50_000)
        assert gateway.swarm.functions.one("echo").replicas == 1


def test_a_call_waits_for_a_replica_that_runs_and_does_not_listen_yet(gateway):
    gateway.names.addresses["tasks.echo"] = ["127.0.1.1"]
    with gateway.start_controller():
        deploy(gateway, "echo")
        time.sleep(1.5)  # HAProxy's own check has found that nothing listens there
        caller = CallLater(gateway, "/function/echo")
        time.sleep(4)
        gateway.names.addresses.clear()
        gateway.replica("echo", "127.0.1.1")
        assert caller.answer().status_code == 200


def test_a_replica_that_the_dns_does_not_tell_of_yet_is_called(gateway):
    gateway.replica_without_name("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
        gateway.swarm.functions.scale("echo", 0)
        answer = gateway.ask("/function/echo/a?b=c", method="POST", data=b"y" * 50_000)
        assert (answer.status_code, answer.json()["length"]) == (200, 50_000)
        assert (answer.json()["replica"], answer.json()["path"]) == ("127.0.1.1", "/a?b=c")
        gateway.replica("echo", "127.0.1.2")
        gateway.until(lambda answer: answer.json()["replica"] == "127.0.1.2", "/function/echo")


def test_it_is_waited_for_until_it_listens(gateway):
    gateway.swarm.functions.addresses["echo"] = ("127.0.1.1",)
    with gateway.start_controller():
        deploy(gateway, "echo")
        caller = CallLater(gateway, "/function/echo", data=b"y" * 50_000)
        time.sleep(1)
        gateway.replica_without_name("echo", "127.0.1.1")
        answer = caller.answer()
        assert (answer.status_code, answer.json()["length"]) == (200, 50_000)


def test_only_the_call_that_waited_goes_straight_to_its_address(gateway):
    gateway.replica_without_name("echo", "127.0.1.1")
    gateway.replica("other", "127.0.1.2")
    with gateway.start_controller(), requests.Session() as session:
        deploy(gateway, "echo")
        deploy(gateway, "other")
        asked = [
            session.get(f"{gateway.url}/function/{name}", timeout=DEADLINE_S).json()["replica"]
            for name in ("echo", "other", "echo", "other")
        ]
        assert asked == ["127.0.1.1", "127.0.1.2"] * 2


def test_an_address_where_nothing_listens_any_more_is_asked_for_anew(gateway):
    with gateway.start_controller():
        deploy(gateway, "echo")
        gateway.swarm.functions.addresses["echo"] = ("127.0.1.1",)
        with function_replica("127.0.1.1", gateway.plane.function_port):
            assert gateway.ask("/function/echo").json()["replica"] == "127.0.1.1"
        gateway.replica_without_name("echo", "127.0.1.2")
        assert gateway.ask("/function/echo").json()["replica"] == "127.0.1.2"


def test_calls_that_wait_for_the_same_replica_share_the_question(gateway):
    functions, questions = gateway.swarm.functions, []
    look = functions.replicas
    functions.replicas = lambda name: questions.append(name) or look(name)
    gateway.replica_without_name("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
        functions.starts_replicas = False
        callers = [CallLater(gateway, "/function/echo") for _ in range(30)]
        gateway.until(lambda _: gateway.proxy.calls()["echo"].under_way == len(callers), "/healthz")
        functions.starts_replicas = True
        assert [caller.answer().status_code for caller in callers] == [200] * len(callers)
        at_first = len(questions)
        for _ in range(10):
            assert gateway.ask("/function/echo").status_code == 200
        threads = os.cpu_count()
        assert len(questions) - at_first <= 2 * threads


def test_a_function_with_a_bound_of_its_own_waits_for_the_dns(gateway):
    gateway.replica_without_name("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo", labels={"com.piswarm.max-inflight": "2"})
        caller = CallLater(gateway, "/function/echo")
        gateway.until(lambda _: gateway.proxy.calls()["echo"].under_way == 1, "/healthz")
        gateway.replica("echo", "127.0.1.2")
        assert caller.answer().json()["replica"] == "127.0.1.2"


class CallLater:
    """A call under way in a thread of its own."""

    def __init__(self, gateway, path, **more):
        self._answers = []
        self._thread = threading.Thread(
            target=lambda: self._answers.append(gateway.ask(path, method="POST", **more))
        )
        self._thread.start()

    def answer(self):
        self._thread.join(2 * DEADLINE_S)
        assert self._answers, "the call has not been answered"
        return self._answers[0]


# The controller behind it ----------------------------------------------------------------------------


def deploy(gateway, name, **more):
    document = {"service": name, "image": "i", **more}
    answer = gateway.ask("/system/functions", method="POST", json=document, auth=USER)
    assert answer.status_code == 202, answer.text


def test_everything_else_goes_to_the_controller(gateway):
    with gateway.start_controller():
        assert gateway.until(lambda answer: answer.status_code == 200, "/healthz").text == "OK"
        assert gateway.ask("/system/functions").status_code == 401
        assert gateway.ask("/system/functions", auth=USER).json() == []
        assert gateway.ask("/").headers["Location"] == "/ui/"
        assert "<title>piswarm" in gateway.ask("/ui/", auth=USER).text


def test_a_deployed_function_answers_and_a_deleted_one_is_unknown(gateway):
    gateway.replica("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
        assert gateway.ask("/function/echo").status_code == 200
        gateway.ask(
            "/system/functions", method="DELETE", json={"functionName": "echo"}, auth=USER
        ).raise_for_status()
        assert gateway.ask("/function/echo").status_code == 404


def test_a_function_deployed_through_another_manager_is_followed(gateway):
    gateway.replica("echo", "127.0.1.1")
    with gateway.start_controller():
        gateway.until(lambda answer: answer.status_code == 404, "/function/echo")
        gateway.swarm.functions.create(parse_deployment({"service": "echo", "image": "i"}))
        gateway.until(lambda answer: answer.status_code == 200, "/function/echo")


def test_functions_serve_while_the_controller_is_dead_and_the_api_says_so(gateway):
    gateway.replica("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
    assert gateway.ask("/function/echo").status_code == 200
    assert gateway.ask("/healthz/data-plane").status_code == 200
    answer = gateway.ask("/system/functions", auth=USER)
    assert answer.status_code == 503
    assert "functions keep serving" in answer.text
    with gateway.start_controller():
        assert gateway.ask("/system/functions", auth=USER).status_code == 200


def test_a_restarted_haproxy_serves_what_the_last_one_did(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    ended(gateway.process)
    process = start_haproxy(gateway.plane, gateway.log_file)
    try:
        assert gateway.ask("/function/echo").status_code == 200
    finally:
        ended(process)


# Taking over configurations --------------------------------------------------------------------------


def test_an_equal_configuration_is_not_taken_over_again(gateway):
    configuration = render([Route("echo", 4)], gateway.plane)
    assert gateway.proxy.apply(configuration) is True
    assert gateway.proxy.apply(configuration) is False


def test_a_bad_configuration_is_never_loaded_and_the_last_good_one_stays(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    good = gateway.plane.config_file.read_text()
    bad = render([Route("echo", 4), Route("other", 4)], gateway.plane)
    bad = Configuration(bad.text.replace("balance leastconn", "balance on a rope"), bad.fingerprint)
    with pytest.raises(DataPlaneError, match="refuses"):
        gateway.proxy.apply(bad)
    assert gateway.plane.config_file.read_text() == good
    assert gateway.ask("/function/echo").status_code == 200


def test_a_configuration_that_passes_the_check_but_cannot_run_is_taken_back(gateway, monkeypatch):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    good = gateway.plane.config_file.read_text()
    # HAProxy tries to bind for two seconds before it gives up.
    monkeypatch.setattr("piswarm.gateway.haproxy._RELOAD_TIMEOUT_S", 4)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        elsewhere = replace(gateway.plane, bind="{}:{}".format(*taken.getsockname()))
        with pytest.raises(DataPlaneError, match="did not take over"):
            gateway.proxy.apply(render([Route("echo", 4)], elsewhere))
    assert gateway.plane.config_file.read_text() == good
    assert gateway.ask("/function/echo").status_code == 200


class Caller(threading.Thread):
    """Calls a function again and again over one connection that it keeps."""

    def __init__(self, gateway, stop):
        super().__init__()
        self._address = gateway.plane.bind
        self._stop_asked = stop
        self.answered = 0
        self.faults = []

    def run(self):
        connection = http.client.HTTPConnection(self._address, timeout=DEADLINE_S)
        while not self._stop_asked.is_set():
            try:
                connection.request("POST", "/function/echo", body=b"x" * 1000)
                answer = connection.getresponse()
                answer.read()
            except OSError as exc:
                self.faults.append(repr(exc))
                connection.close()
                continue
            except http.client.HTTPException as exc:
                self.faults.append(repr(exc))
                connection.close()
                continue
            if answer.status != 200:
                self.faults.append(f"{answer.status}")
            self.answered += 1
            time.sleep(0.002)
        connection.close()


def test_no_call_fails_while_configurations_change(gateway):
    for address in ("127.0.1.1", "127.0.1.2"):
        gateway.replica("echo", address)
    route(gateway, "echo")
    gateway.until(lambda answer: answer.status_code == 200, "/function/echo")
    stop = threading.Event()
    callers = [Caller(gateway, stop) for _ in range(8)]
    for caller in callers:
        caller.start()
    for index in range(10):
        route(gateway, "echo", f"other-{index}")
        time.sleep(0.1)
    stop.set()
    for caller in callers:
        caller.join(DEADLINE_S)
    assert [fault for caller in callers for fault in caller.faults] == []
    assert sum(caller.answered for caller in callers) > 200


def test_a_reader_of_logs_who_goes_away_leaves_nothing_behind(gateway):
    gateway.replica("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
        gateway.swarm.logs.write("echo", "hello")
        answer = gateway.ask("/system/logs?name=echo&follow=true", auth=USER, stream=True)
        assert json.loads(next(answer.iter_lines()))["text"] == "hello"
        answer.close()
        deadline = time.monotonic() + DEADLINE_S
        while gateway.swarm.logs.readers:
            assert time.monotonic() < deadline, "the reader is gone and its logs are still read"
            time.sleep(0.05)


# Ending -----------------------------------------------------------------------------------------------


def test_at_its_end_calls_under_way_are_answered_and_idle_connections_hold_nothing_up(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    with requests.Session() as idle:
        idle.get(f"{gateway.url}/function/echo", timeout=DEADLINE_S).raise_for_status()
        before_the_reload = CallLater(gateway, "/function/echo?sleep=1")
        gateway.until(lambda _: gateway.proxy.calls()["echo"].under_way == 1, "/healthz/data-plane")
        route(gateway, "echo", "other")
        after_the_reload = CallLater(gateway, "/function/echo?sleep=1")
        gateway.until(lambda _: gateway.proxy.calls()["echo"].under_way == 1, "/healthz/data-plane")
        began = time.monotonic()
        drain(gateway.plane.master_socket, patience_s=60)
        assert time.monotonic() - began < AT_ONCE_S
        assert [before_the_reload.answer().status_code, after_the_reload.answer().status_code] == [200, 200]
        with pytest.raises(requests.ConnectionError):
            gateway.ask("/function/echo")


def test_at_its_end_a_call_that_takes_too_long_is_not_waited_for(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    call = CallLater(gateway, "/function/echo?sleep=3")
    gateway.until(lambda _: gateway.proxy.calls()["echo"].under_way == 1, "/healthz/data-plane")
    drain(gateway.plane.master_socket, patience_s=0.2)
    assert gateway.process.poll() is None
    assert call.answer().status_code == 200


# Counting --------------------------------------------------------------------------------------------


def counted(gateway, name):
    calls = gateway.proxy.calls()[name]
    return {key: count for key, count in calls.answers.items() if count}


def test_calls_are_counted_over_reloads_and_restarts_of_the_controller(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    for _ in range(3):
        assert gateway.ask("/function/echo").status_code == 200
    route(gateway, "echo", "other")
    assert gateway.ask("/function/other").status_code == 503
    assert gateway.ask("/function/echo").status_code == 200
    assert counted(gateway, "echo") == {"2xx": 4}
    assert counted(gateway, "other") == {"5xx": 1}
    gateway.proxy = HAProxy(gateway.plane)
    assert counted(gateway, "echo") == {"2xx": 4}


def metrics_of(gateway):
    answer = requests.get(f"http://{gateway.plane.metrics_bind}/metrics", timeout=DEADLINE_S)
    answer.raise_for_status()
    return dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))


def invocations(gateway, name):
    """Return how many calls of a function ended with each status, as the metrics tell."""
    metric = re.compile(f'gateway_function_invocation_total{{code="(.+)",function_name="{name}"}}')
    found = ((metric.fullmatch(key), value) for key, value in metrics_of(gateway).items())
    return {int(match[1]): float(value) for match, value in found if match}


def test_calls_are_told_by_their_exact_status_and_by_how_long_they_took(gateway):
    gateway.replica("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
        for query in ("", "status=204", "status=404", "status=404", "status=503", "sleep=0.6"):
            gateway.ask(f"/function/echo?{query}")
        gateway.ask("/function/nothing")
        assert invocations(gateway, "echo") == {200: 2, 204: 1, 404: 2, 503: 1}
        buckets = [
            metrics_of(gateway)[f'gateway_functions_seconds_bucket{{function_name="echo",le="{bound}"}}']
            for bound in ("0.5", "+Inf")
        ]
        assert buckets == ["5.0", "6.0"]


def test_of_many_calls_a_part_is_heard_and_all_are_counted(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    gateway.ask("/function/echo?status=204")
    heard, sent = 0, 1
    deadline = time.monotonic() + DEADLINE_S
    while heard == sent:
        assert time.monotonic() < deadline, f"each of {sent} calls was told"
        heard += call_often(gateway, "/function/echo", 500)
        sent += 500
    with gateway.start_controller():
        deploy(gateway, "echo")
        assert sum(invocations(gateway, "echo").values()) == sent


def call_often(gateway, path, count):
    """Call on one connection, without waiting for the answers; return of how many calls the log tells."""
    host, port = gateway.plane.bind.split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        last = f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        request = f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n"
        threading.Thread(target=connection.sendall, args=((request * (count - 1) + last).encode(),)).start()
        with connection.makefile("rb") as answers:
            assert answers.read().count(b"HTTP/1.1 200 ") == count
    return gateway.call_log.take()["echo"].total


def test_a_restarted_controller_goes_on_counting(gateway):
    gateway.replica("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
        gateway.ask("/function/echo?status=201")
        assert invocations(gateway, "echo") == {201: 1}
    for status in (201, 404):
        gateway.ask(f"/function/echo?status={status}")
    with gateway.start_controller():
        assert invocations(gateway, "echo") == {201: 2, 404: 1}


def test_calls_that_went_wrong_are_logged_and_others_are_not(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    gateway.ask("/function/echo?status=404", headers={"X-Call-Id": "fine"})
    gateway.ask("/function/nothing", headers={"X-Call-Id": "fine"})
    gateway.ask("/function/echo?status=500&password=secret", headers={"X-Call-Id": 'a"b' * 400})
    gateway.until(lambda _: gateway.log_file.stat().st_size, "/healthz/data-plane")
    told = [json.loads(line) for line in gateway.log_file.read_text().splitlines()]
    assert [(line["function"], line["status"], line["method"]) for line in told] == [("echo", 500, "GET")]
    assert told[0]["call_id"] == ('a"b' * 400)[:100]
    assert "secret" not in gateway.log_file.read_text()


def test_metrics_have_a_port_of_their_own(gateway):
    gateway.replica("echo", "127.0.1.1")
    with gateway.start_controller():
        deploy(gateway, "echo")
        gateway.ask("/function/echo").raise_for_status()
        assert gateway.ask("/metrics").status_code == 404
        assert metrics_of(gateway)['gateway_function_invocation_started{function_name="echo"}'] == "1.0"
    base = f"http://{gateway.plane.metrics_bind}"
    assert requests.get(f"{base}/healthz", timeout=DEADLINE_S).status_code == 200
    assert requests.get(f"{base}/system/functions", timeout=DEADLINE_S).status_code == 404


# Bounds ----------------------------------------------------------------------------------------------


def test_a_function_has_its_own_patience(gateway):
    gateway.replica("echo", "127.0.1.1")
    gateway.proxy.apply(render([Route("echo", 4, timeout_s=1)], gateway.plane))
    gateway.until(lambda answer: answer.status_code == 200, "/function/echo")
    began = time.monotonic()
    answer = gateway.ask("/function/echo?sleep=20")
    assert (answer.status_code, answer.headers["X-OpenFaaS-Internal"]) == (504, "gateway")
    assert time.monotonic() - began < AT_ONCE_S


def test_a_replica_gets_no_more_calls_than_it_takes_and_the_others_wait(gateway):
    gateway.replica("echo", "127.0.1.1")
    gateway.proxy.apply(render([Route("echo", 4, max_in_flight=2)], gateway.plane))
    gateway.until(lambda answer: answer.status_code == 200, "/function/echo")
    callers = [CallLater(gateway, "/function/echo?sleep=0.2") for _ in range(8)]
    answers = [caller.answer() for caller in callers]
    assert [answer.status_code for answer in answers] == [200] * 8
    assert max(answer.json()["at_once"] for answer in answers) == 2


def test_guessing_the_password_is_slowed_down(gateway):
    with gateway.start_controller():
        deploy(gateway, "echo")
        wrong = [
            gateway.ask("/system/functions", auth=("admin", f"guess{i}")).status_code
            for i in range(GUESSES_A_MINUTE + 1)
        ]
        assert wrong == [401] * GUESSES_A_MINUTE + [429]
        assert gateway.ask("/system/functions", auth=USER).status_code == 429
        assert gateway.ask("/system/hooks/git/echo", method="POST").status_code == 429
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    assert gateway.ask("/function/echo").status_code == 200


# Streams ---------------------------------------------------------------------------------------------


@contextmanager
def raw_function(gateway, serve):
    """A function that speaks for itself on a socket: `serve` gets each connection after the request's head."""
    address = "127.0.1.7"
    with socket.create_server((address, gateway.plane.function_port)) as listener:

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection):
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = connection.recv(65536)
                    if not part:
                        return
                    head += part
                serve(connection, head)

        threading.Thread(target=accept, daemon=True).start()
        gateway.names.addresses["tasks.raw"] = [address]
        route(gateway, "raw")
        yield
        listener.shutdown(socket.SHUT_RDWR)


def connected(gateway):
    host, port = gateway.plane.bind.split(":")
    return socket.create_connection((host, int(port)), DEADLINE_S)


def test_an_answer_that_comes_in_pieces_is_passed_on_piece_by_piece(gateway):
    go_on = threading.Event()

    def events(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
        assert go_on.wait(DEADLINE_S)
        connection.sendall(b"data: two\n\n")

    with raw_function(gateway, events):
        connection = http.client.HTTPConnection(gateway.plane.bind, timeout=DEADLINE_S)
        connection.request("GET", "/function/raw", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        assert answer.read1() == b"data: one\n\n"
        go_on.set()
        assert answer.read1() == b"data: two\n\n"


def test_a_request_that_comes_in_pieces_is_passed_on_piece_by_piece(gateway):
    arrived = threading.Event()

    def wait_for_piece(connection, head):
        if b"first piece" not in head:
            connection.recv(65536)
        arrived.set()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def body():
        yield b"first piece"
        assert arrived.wait(DEADLINE_S), "the first piece has not arrived while the second is not sent"
        yield b"second piece"

    with raw_function(gateway, wait_for_piece):
        assert gateway.ask("/function/raw", method="POST", data=body()).status_code == 200


def test_a_web_socket_is_let_through(gateway):
    def shout_back(connection, head):
        assert b"upgrade: websocket" in head.lower()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        while part := connection.recv(1024):
            connection.sendall(part.upper())

    with raw_function(gateway, shout_back), connected(gateway) as client:
        client.sendall(
            b"GET /function/raw HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in client.recv(1024)
        client.sendall(b"hello")
        assert client.recv(1024) == b"HELLO"


def resident_kb(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(
        int(line.split()[1])
        for one in (str(pid), *children)
        for line in Path(f"/proc/{one}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )


def test_a_hundred_megabytes_pass_without_being_kept(gateway):
    gateway.replica("echo", "127.0.1.1")
    route(gateway, "echo")
    gateway.ask("/function/echo", method="POST", data=bytes(2**20)).raise_for_status()
    before_kb = resident_kb(gateway.process.pid)
    size = 100 * 2**20
    answer = gateway.ask("/function/echo", method="POST", data=bytes(size))
    assert answer.json()["length"] == size
    assert resident_kb(gateway.process.pid) - before_kb < 10 * 1024
