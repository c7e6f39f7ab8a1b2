"""Hearing of single calls, over a real socket."""

import json
import socket

import pytest

from piswarm.gateway.call_log import CallLog
from tests.service.ports import free_port


@pytest.fixture
def hearing():
    """Give a log that listens, and what sends it a line."""
    port = free_port()
    with (
        CallLog(f"127.0.0.1:{port}") as call_log,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as haproxy,
    ):
        yield call_log, lambda line: haproxy.sendto(line, ("127.0.0.1", port))


def call(**fields):
    return json.dumps({"function": "echo", "status": 200, "ms": 7, "method": "GET", **fields}).encode()


def test_calls_are_told_once(hearing):
    call_log, send = hearing
    send(call())
    send(call(status=404, ms=40))
    send(call(function="other", status=503))
    heard = call_log.take()
    assert {name: tally.statuses for name, tally in heard.items()} == {
        "echo": {200: 1, 404: 1},
        "other": {503: 1},
    }
    assert heard["echo"].seconds == pytest.approx(0.047)
    assert call_log.take() == {}


def test_many_calls_at_once_are_all_heard(hearing):
    call_log, send = hearing
    for _ in range(500):
        send(call())
    assert call_log.take()["echo"].total == 500


@pytest.mark.parametrize("fields", [{"function": ""}, {"status": -1}, {"status": 999}])
def test_what_is_no_answered_call_of_a_function_is_left_out(hearing, fields):
    call_log, send = hearing
    send(call(**fields))
    assert call_log.take() == {}


@pytest.mark.parametrize("line", [b"", b"Proxy entrance stopped.\n"])
def test_what_haproxy_says_of_itself_is_no_call(hearing, line, caplog):
    call_log, send = hearing
    send(line)
    assert call_log.take() == {}
    assert caplog.text == ""


@pytest.mark.parametrize("line", [b"{", b"{}", b"{\xff", call()[:-5], call(ms="-")])
def test_a_line_that_cannot_be_read_is_said_and_left_out(hearing, line, caplog):
    call_log, send = hearing
    send(line)
    send(call())
    assert call_log.take()["echo"].total == 1
    assert "a line that is no call" in caplog.text
