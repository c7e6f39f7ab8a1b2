"""The runtime as the container runs it: a process of its own, spoken to over TCP."""

import http.client
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.served import serving

START_DEADLINE_S = 20.0


@pytest.fixture
def serve(tmp_path):
    def start(source, **environment):
        folder = tmp_path / "function"
        folder.mkdir(exist_ok=True)
        (folder / "handler.py").write_text(textwrap.dedent(source))
        return serving([sys.executable, "-m", "piswarm.runtime", str(folder)], tmp_path / "log", environment)

    return start


def test_it_answers_and_logs_one_line(serve, tmp_path):
    with serve("def handle(req):\n    print('Hello! You said: ' + req)\n") as served:
        status, body, headers = served.ask(b"hi", path="/a/b?secret=1", headers={"X-Call-Id": "c-1"})
        assert (status, body) == (200, b"Hello! You said: hi\n")
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert float(headers["x-duration-seconds"]) > 0
        assert served.ask(method="GET", path="/_/health")[0] == 200
        assert served.ask(method="GET", path="/_/ready")[0] == 200
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(lines) == 1
    told = {key: lines[0][key] for key in ("method", "path", "status", "bytes_in", "bytes_out", "call_id")}
    assert told == {
        "method": "POST", "path": "/a/b", "status": 200, "bytes_in": 2, "bytes_out": 20, "call_id": "c-1",
    }  # fmt: skip


def test_health_names_the_version(serve):
    with serve("def handle(req):\n    return req\n", PISWARM_VERSION="f00d") as served:
        status, body, headers = served.ask(method="GET", path="/_/health")
        assert (status, body, headers["x-piswarm-version"]) == (200, b"OK\n", "f00d")
        assert "x-piswarm-version" not in served.ask()[2]


def test_requests_at_the_same_time_keep_their_output_apart(serve):
    source = """
        import time
        def handle(req):
            for _ in range(5):
                print(req, end="")
                time.sleep(0.01)
    """
    with serve(source) as served, ThreadPoolExecutor(8) as callers:
        words = [f"<{number}>" for number in range(40)]
        answers = list(callers.map(lambda word: served.ask(word.encode())[1].decode(), words))
    assert answers == [word * 5 for word in words]


def test_async_requests_at_the_same_time_keep_their_output_apart(serve):
    source = """
        import asyncio
        async def handle(req):
            for _ in range(5):
                print(req, end="")
                await asyncio.sleep(0.01)
    """
    with serve(source) as served, ThreadPoolExecutor(8) as callers:
        words = [f"<{number}>" for number in range(40)]
        answers = list(callers.map(lambda word: served.ask(word.encode())[1].decode(), words))
    assert answers == [word * 5 for word in words]


def test_the_environment_tells_of_each_request_apart(serve):
    source = """
        import os, subprocess, time
        def handle(req):
            time.sleep(0.01)
            seen = [os.environ["Http_Query"], os.getenv("Http_Method"), os.environ.get("Http_X_Test")]
            there = ["Http_Path" in os.environ, "Http_Nothing" in os.environ]
            return [*seen, os.environ["own"], *there, os.environ.copy()["Http_Path"]]
    """
    with serve(source, own="kept") as served, ThreadPoolExecutor(8) as callers:

        def ask(number):
            return json.loads(served.ask(path=f"/p{number}?q={number}", headers={"X-Test": f"t{number}"})[1])

        answers = list(callers.map(ask, range(40)))
    assert answers == [[f"q={n}", "POST", f"t{n}", "kept", True, False, f"/p{n}"] for n in range(40)]


def test_a_handler_that_raises_keeps_serving(serve, tmp_path):
    with serve("def handle(req):\n    return 1 / int(req)\n") as served:
        status, body, _ = served.ask(b"0")
        assert (status, body) == (
            500,
            b"The function failed: ZeroDivisionError: division by zero (handler.py, line 2).\n",
        )
        assert served.ask(b"4")[:2] == (200, b"0.25")
    assert "ZeroDivisionError: division by zero" in (tmp_path / "log").read_text()


GENERATORS = [
    """
    import os, time
    def handle(req):
        for number in range(3):
            yield f"{number} {os.environ['Http_Query']};"
            time.sleep(0.3)
        if req == "fail":
            raise ValueError("halfway")
    """,
    """
    import asyncio, os
    async def handle(req):
        for number in range(3):
            yield f"{number} {os.environ['Http_Query']};"
            await asyncio.sleep(0.3)
        if req == "fail":
            raise ValueError("halfway")
    """,
]


@pytest.mark.parametrize("source", GENERATORS, ids=["plain", "async"])
def test_what_a_handler_yields_is_sent_at_once(serve, source, tmp_path):
    with serve(source) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=15)
        connection.request("POST", "/?q=1", body=b"")
        answer = connection.getresponse()
        began = time.monotonic()
        assert answer.read(6) == b"0 q=1;"
        assert time.monotonic() - began < 0.25
        assert answer.read() == b"1 q=1;2 q=1;"
        connection.request("POST", "/?q=2", body=b"fail")
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
        connection.close()
        assert served.ask(b"", path="/?q=3")[1] == b"0 q=3;1 q=3;2 q=3;"
    assert "ValueError: halfway" in (tmp_path / "log").read_text()


def test_a_caller_that_leaves_ends_an_endless_answer(serve, tmp_path):
    source = f"""
        import time
        def handle(req):
            try:
                while True:
                    yield "tick"
                    time.sleep(0.05)
            finally:
                open({str(tmp_path / "ended")!r}, "w").close()
    """
    with serve(source) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=15)
        connection.request("POST", "/", body=b"")
        assert connection.getresponse().read(4) == b"tick"
        connection.sock.close()
        connection.close()
        deadline = time.monotonic() + 10
        while not (tmp_path / "ended").exists():
            assert time.monotonic() < deadline, "the generator goes on for nobody"
            time.sleep(0.05)


def test_a_large_body_goes_in_and_out(serve):
    with serve("def handle(req: bytes):\n    return req\n") as served:
        body = os.urandom(20_000_000)
        assert served.ask(body)[1] == body


def test_a_chunked_body_is_read_to_its_end(serve):
    with serve("def handle(req):\n    return str(len(req))\n") as served:
        assert served.ask(iter([b"ab", b"cde"]))[1] == b"5"


def test_a_body_above_the_limit_is_refused(serve):
    with serve("def handle(req):\n    return req\n", max_body="10") as served:
        assert served.ask(b"0123456789")[0] == 200
        assert served.ask(b"0123456789a")[0] == 413
        assert served.ask(iter([b"012345", b"678901"]))[0] == 413


def test_above_max_inflight_callers_are_told_to_wait(serve):
    source = "import time\ndef handle(req):\n    time.sleep(0.5)\n    return 'done'\n"
    with serve(source, max_inflight="1") as served, ThreadPoolExecutor(1) as caller:
        first = caller.submit(served.ask)
        time.sleep(0.2)
        assert served.ask(method="GET", path="/_/ready")[0] == 429
        assert served.ask(method="GET", path="/_/health")[0] == 200
        assert served.ask()[0] == 429
        assert first.result()[:2] == (200, b"done")
        assert served.ask()[0] == 200


@pytest.mark.parametrize("source", [
    "import time\ndef handle(req):\n    time.sleep(float(req))\n    return 'done'\n",
    "import asyncio\nasync def handle(req):\n    await asyncio.sleep(float(req))\n    return 'done'\n",
])  # fmt: skip
def test_a_request_that_takes_too_long_is_given_up(serve, source):
    with serve(source, exec_timeout="200ms") as served:
        assert served.ask(b"5")[:2] == (504, b"The function took longer than 0.2 s.\n")
        assert served.ask(b"0")[:2] == (200, b"done")


def test_after_sigterm_it_serves_for_a_while_and_finishes_what_it_has(serve):
    source = "import time\ndef handle(req):\n    time.sleep(float(req))\n    return 'done'\n"
    with serve(source, linger="1s") as served, ThreadPoolExecutor(1) as caller:
        slow = caller.submit(served.ask, b"2")
        time.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert served.ask(method="GET", path="/_/health")[0] == 503
        status, _, headers = served.ask(b"0")
        assert (status, headers["connection"]) == (200, "close")
        assert slow.result()[:2] == (200, b"done")
        assert served.process.wait(timeout=5) == 0


def test_a_handler_that_hangs_does_not_keep_the_container(serve):
    source = "import time\ndef handle(req):\n    time.sleep(60)\n"
    with serve(source, linger="0", write_timeout="1s") as served, ThreadPoolExecutor(1) as caller:
        hanging = caller.submit(served.ask)
        time.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=5) == 0
        assert hanging.result()[:2] == (503, b"The function was stopped before it had answered.\n")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"max_inflight": "many"}, "The variable max_inflight is 'many', which is not a whole number."),
        ({}, "There is no handler.py in"),
    ],
)
def test_what_makes_serving_impossible_is_said_in_one_line(environment, message, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "piswarm.runtime", str(tmp_path)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=START_DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


PROGRAM = """
import os, sys
body = sys.stdin.buffer.read()
if body == b"fail":
    sys.exit(f"no good: {os.environ['Http_Method']}")
if body == b"sleep":
    import time
    time.sleep(60)
print(body.decode(), *(os.environ.get(name) for name in sys.argv[1:]))
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    variables = "Http_Method Http_Path Http_Query Http_X_Test Http_Content_Length"
    return f"{sys.executable} {tmp_path / 'program.py'} {variables}"


def test_any_program_answers_requests(serve, program):
    with serve("", fprocess=program) as served:
        status, body, headers = served.ask(
            b"hi", method="PUT", path="/a?b=c", headers={"X-Test": "yes", "Content-Type": "text/x-test"}
        )
        assert (status, body) == (200, b"hi PUT /a b=c yes 2\n")
        assert headers["content-type"] == "text/x-test"
        assert served.ask(method="OPTIONS")[0] == 405


def test_a_program_that_fails_is_told_with_its_output(serve, program):
    with serve("", fprocess=program) as served:
        assert served.ask(b"fail")[:2] == (500, b"exit status 1\nno good: POST\n")
        assert served.ask(b"ok")[0] == 200


def test_a_program_that_takes_too_long_is_killed(serve, program):
    with serve("", fprocess=program, exec_timeout="300ms") as served:
        assert served.ask(b"sleep")[0] == 408
        left = subprocess.run(
            ["ps", "--ppid", str(served.process.pid), "-o", "pid="],
            capture_output=True,
            text=True,
            check=False,
        )
        assert left.stdout.split() == []


def test_a_program_that_is_not_there_is_told(serve):
    with serve("", fprocess="/no/such/program") as served:
        status, body, _ = served.ask(b"")
        assert (status, body) == (
            500,
            b"The function failed: /no/such/program cannot be started: No such file or directory.\n",
        )


def test_programs_answer_at_the_same_time(serve, program):
    with serve("", fprocess=program) as served, ThreadPoolExecutor(6) as callers:
        words = [f"w{number}" for number in range(12)]
        answers = list(callers.map(lambda word: served.ask(word.encode())[1].split()[0].decode(), words))
    assert answers == words


def test_a_program_need_not_read_what_it_is_given(serve):
    with serve("", fprocess="true") as served, ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: served.ask(b"x" * 200_000)[0], range(30)))
    assert answers == [200] * 30
