"""What handlers get, what their values become, and what is said when they fail."""

import asyncio
import json
import sys

import pytest

from piswarm.runtime.handler import Handler, HandlerError, load_handler
from piswarm.runtime.messages import Headers, Request
from piswarm.runtime.output import separate_requests
from piswarm.runtime.settings import RuntimeSettings


def request(body=b"", *, path="/", query="", headers=()):
    return Request("POST", path, query, Headers(list(headers)), body)


@pytest.fixture
def call(monkeypatch):
    def with_separate_output(*arguments, **settings):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", sys.stdout)
            separate_requests()
            return answer_of(*arguments, **settings)

    return with_separate_output


def answer_of(handle, incoming=None, **settings):
    handler = Handler(handle, RuntimeSettings(**settings))
    incoming = incoming or request(b"abc")
    if handler.is_async:
        return asyncio.run(handler.call_async(incoming))
    return handler.call(incoming)


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        ("text", b"text", "text/plain; charset=utf-8"),
        ("umlaut ä", "umlaut ä".encode(), "text/plain; charset=utf-8"),
        (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        ({"found": True}, b'{"found": true}', "application/json"),
        ([1, 2], b"[1, 2]", "application/json"),
        (7, b"7", "application/json"),
        (False, b"false", "application/json"),
        ("", b"", "text/plain; charset=utf-8"),
    ],
)
def test_what_a_handler_returns_is_the_answer(call, value, body, content_type):
    answer = call(lambda req: value)
    assert (answer.status, answer.body, answer.content_type) == (200, body, content_type)


def test_a_handler_that_returns_nothing_answers_with_what_it_printed(call):
    def handle(req):
        print("Hello! You said: " + req)

    assert call(handle).body == b"Hello! You said: abc\n"


def test_bytes_written_to_standard_output_are_an_answer_too(call):
    def handle(req):
        sys.stdout.buffer.write(b"\x89PNG")

    assert call(handle).body == b"\x89PNG"


def test_what_is_printed_beside_a_returned_value_goes_to_the_log(call):
    def handle(req):
        print("for the log")
        return json.dumps({"found": True})

    assert call(handle).body == b'{"found": true}'


def test_a_body_that_is_no_text_survives(call):
    assert call(lambda req: req, request(b"\xff\x00ok")).body == b"\xff\x00ok"


@pytest.mark.parametrize("raw_body", [True, False])
def test_a_handler_can_ask_for_bytes(call, raw_body):
    def annotated(req: bytes):
        return type(req).__name__

    def plain(req):
        return type(req).__name__

    assert call(annotated, raw_body=raw_body).body == b"bytes"
    assert call(plain, raw_body=raw_body).body == (b"bytes" if raw_body else b"str")


def test_an_async_handler_answers(call):
    async def handle(req):
        await asyncio.sleep(0)
        print("seen", req)

    assert call(handle).body == b"seen abc\n"


def test_an_event_has_the_whole_request(call):
    def handle(event, context):
        return [event.body.decode(), event.method, event.path, event.query, event.headers["x-test"]]

    answer = call(handle, request(b"b", path="/a", query="q=1&q=2&e=", headers=[(b"X-Test", b"yes")]))
    assert json.loads(answer.body) == ["b", "POST", "/a", {"q": "1", "e": ""}, "yes"]


def test_an_event_handler_sets_status_and_headers(call):
    def handle(event, context):
        return {"statusCode": 201, "body": {"id": 1}, "headers": {"X-Made": 1}}

    answer = call(handle)
    assert (answer.status, answer.body, answer.headers) == (201, b'{"id": 1}', {"X-Made": "1"})


def test_an_event_handler_may_return_any_mapping(call):
    assert json.loads(call(lambda event, context: {"body": 1, "other": 2}).body) == {"body": 1, "other": 2}


def test_an_event_handler_that_returns_nothing_answers_with_nothing(call):
    def handle(event, context):
        print("for the log")

    assert (call(handle).status, call(handle).body) == (200, b"")


def test_a_status_can_stand_beside_the_value(call):
    answer = call(lambda req: ("no such thing", 404, {"Retry-After": "5"}))
    assert (answer.status, answer.body, answer.headers) == (404, b"no such thing", {"Retry-After": "5"})


def test_a_handler_that_raises_is_told_in_one_sentence(call, capsys):
    def handle(req):
        raise ValueError("no url\nin the request")

    answer = call(handle)
    assert answer.status == 500
    assert answer.body.decode().startswith(
        "The function failed: ValueError: no url in the request (test_handler.py,"
    )
    assert answer.body.count(b"\n") == 1
    error = capsys.readouterr().err
    assert "Traceback" in error and "runtime/handler.py" not in error


@pytest.mark.parametrize(
    "value",
    [object(), {"a": object()}, ("x", 99), ("x", 200, {"X-A": "b\r\nX-C: d"}), ("x", 200, {"X A": "b"})],
)
def test_a_value_that_cannot_be_sent_is_the_functions_failure(call, value):
    answer = call(lambda req: value)
    assert answer.status == 500
    assert answer.body.startswith(b"The function failed: ")


@pytest.mark.parametrize(("code", "status"), [(None, 200), (0, 200), (1, 500), ("bad input", 500)])
def test_exit_means_what_it_means_in_a_program(call, code, status):
    def handle(req):
        print("so far")
        raise SystemExit(code)

    answer = call(handle)
    assert answer.status == status
    if status == 200:
        assert answer.body == b"so far\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "There is no handler.py in"),
        ("def handle(req:\n", "handler.py cannot be loaded: SyntaxError in handler.py, line 1:"),
        ("import nothing_like_this\n", "handler.py cannot be loaded: ModuleNotFoundError: No module named"),
        ("def handler(req): pass\n", "has no function 'handle'"),
        ("raise SystemExit(3)\n", "handler.py cannot be loaded: SystemExit: 3 (handler.py, line 1)"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_told_in_one_sentence(source, message, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    if source is not None:
        (tmp_path / "handler.py").write_text(source)
    with pytest.raises(HandlerError) as caught:
        load_handler(tmp_path, RuntimeSettings())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_neighbours_of_the_handler_can_be_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "with_neighbours"
    folder.mkdir()
    (folder / "neighbour_words.py").write_text("WORD = 'hello'\n")
    (folder / "handler.py").write_text(
        "import neighbour_words\nfrom . import neighbour_words as again\n"
        "from with_neighbours import neighbour_words as third\n"
        "def handle(): return neighbour_words.WORD + again.WORD + third.WORD\n"
    )
    handler = load_handler(folder, RuntimeSettings())
    assert handler.call(request()).body == b"hellohellohello"
