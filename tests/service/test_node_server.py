"""The server of JavaScript functions as the container runs it; needs Debian's nodejs."""

import json
import os
import signal
import subprocess
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from piswarm.settings import STACKS
from tests.service.served import serving

SERVER = STACKS / "templates" / "node" / "image" / "server.js"
SLEEPING = """
    module.exports = async (event) => {
      await new Promise(resolve => setTimeout(resolve, Number(event.body)))
      return 'done'
    }
"""


@pytest.fixture
def serve(tmp_path):
    def start(source, **environment):
        (tmp_path / "handler.js").write_text(textwrap.dedent(source))
        return serving(["nodejs", str(SERVER), str(tmp_path)], tmp_path / "log", environment)

    return start


@pytest.mark.parametrize(
    ("source", "body", "content_type"),
    [
        (
            "async (event) => `Hello! You said: ${event.body}`",
            b"Hello! You said: hi",
            "text/plain; charset=utf-8",
        ),
        ("async (event) => ({found: true})", b'{"found":true}', "application/json"),
        ("async () => Buffer.from([0, 255])", b"\x00\xff", "application/octet-stream"),
        ("async () => undefined", b"", "text/plain; charset=utf-8"),
        ("(event) => 'not async'", b"not async", "text/plain; charset=utf-8"),
        ("async (event, context) => context.succeed(event.path)", b"/a/b", "text/plain; charset=utf-8"),
        ("(event, context) => { context.succeed('late') }", b"late", "text/plain; charset=utf-8"),
        ("(event, context, callback) => { callback(null, event.query) }", b'{"x":"1"}', "application/json"),
    ],
)
def test_what_a_handler_gives_is_the_answer(serve, source, body, content_type):
    with serve(f"module.exports = {source}") as served:
        status, answered, headers = served.ask(b"hi", path="/a/b?x=1")
        assert (status, answered, headers["content-type"]) == (200, body, content_type)


def test_status_and_headers_are_the_handlers(serve):
    source = (
        "async (event, context) => context.status(201).headers({'X-Made': event.method}).succeed({id: 1})"
    )
    with serve(f"module.exports = {source}") as served:
        status, body, headers = served.ask(method="PUT")
        assert (status, body, headers["x-made"]) == (201, b'{"id":1}', "PUT")


def test_json_comes_as_an_object(serve):
    with serve("module.exports = async (event) => event.body.term") as served:
        assert served.ask(b'{"term": "pi"}', headers={"Content-Type": "application/json"})[1] == b"pi"


@pytest.mark.parametrize(
    "source",
    [
        "async () => { throw new TypeError('no\\nurl') }",
        "(event, context) => { context.fail(new TypeError('no url')) }",
        "(event, context, callback) => { callback(new TypeError('no url')) }",
    ],
)
def test_a_handler_that_fails_is_told_and_goes_on_serving(serve, source):
    with serve(f"module.exports = {source}") as served:
        for _ in range(2):
            status, body, _ = served.ask(b"")
            assert (status, body) == (500, b"The function failed: TypeError: no url (handler.js, line 1).\n")


def test_health_names_the_version_and_each_request_is_logged(serve, tmp_path):
    with serve("module.exports = async () => 'ok'", PISWARM_VERSION="f00d") as served:
        status, _, headers = served.ask(method="GET", path="/_/health")
        assert (status, headers["x-piswarm-version"]) == (200, "f00d")
        served.ask(b"hi", path="/a?secret=1", headers={"X-Call-Id": "c-1"})
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["path"], line["status"], line["bytes_in"], line["call_id"]) for line in lines] == [
        ("/a", 200, 2, "c-1")
    ]


def test_limits(serve):
    with (
        serve(SLEEPING, max_inflight="1", max_body="10", exec_timeout="1s") as served,
        ThreadPoolExecutor(1) as caller,
    ):
        assert served.ask(b"00000000000")[0] == 413
        first = caller.submit(served.ask, b"500")
        time.sleep(0.2)
        assert served.ask(b"0")[0] == 429
        assert served.ask(method="GET", path="/_/ready")[0] == 429
        assert first.result()[:2] == (200, b"done")
        assert served.ask(b"9000")[:2] == (504, b"The function took longer than 1 s.\n")


def test_after_sigterm_it_serves_for_a_while_and_finishes_what_it_has(serve):
    with serve(SLEEPING, linger="1s") as served, ThreadPoolExecutor(1) as caller:
        slow = caller.submit(served.ask, b"2000")
        time.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert served.ask(method="GET", path="/_/health")[0] == 503
        status, _, headers = served.ask(b"0")
        assert (status, headers["connection"]) == (200, "close")
        assert slow.result()[:2] == (200, b"done")
        assert served.process.wait(timeout=5) == 0


@pytest.mark.parametrize(
    ("source", "environment", "message"),
    [
        (None, {}, "There is no handler.js in"),
        ("exports.handle = 1", {}, "handler.js exports no function"),
        ("module.exports = (", {}, "handler.js cannot be loaded: SyntaxError"),
        (
            "module.exports = () => 1",
            {"max_inflight": "many"},
            "The variable max_inflight is 'many', which is not a whole",
        ),
        (
            "module.exports = () => 1",
            {"exec_timeout": "soon"},
            "The variable exec_timeout is 'soon', which is not a time",
        ),
    ],
)
def test_what_makes_serving_impossible_is_said(tmp_path, source, environment, message):
    if source is not None:
        (tmp_path / "handler.js").write_text(source)
    ended = subprocess.run(
        ["nodejs", str(SERVER), str(tmp_path)],
        env={**os.environ, "suppress_lock": "true", **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 1
    assert message in ended.stderr
