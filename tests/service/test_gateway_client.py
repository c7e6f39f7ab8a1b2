"""The client against a real HTTP server that keeps OpenFaaS's wire contract."""

import json
import socket
import threading
from base64 import b64decode, b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from piswarm.errors import GatewayError
from piswarm.functions.gateway import GatewayClient
from piswarm.secret import Secret

PASSWORD = "correct horse"


class Gateway(BaseHTTPRequestHandler):
    """The routes of the contract that the client uses, over a dictionary."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.serve()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815  (the names that http.server asks for)

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, body))
        if self.path.startswith("/function/"):
            return self.call(body)
        if self.headers.get("Authorization") != "Basic " + b64encode(f"admin:{PASSWORD}".encode()).decode():
            return self.answer(401, b"invalid credentials")
        return self.system(body)

    def system(self, body):
        if self.path == "/system/secrets":
            return self.secrets(json.loads(body) if body else {})
        if self.path.startswith("/system/logs?"):
            return self.logs(dict(parse_qsl(urlsplit(self.path).query)))
        functions = self.server.functions
        document = json.loads(body) if body else {}
        name = document.get("service") or document.get("functionName") or self.path.rpartition("/")[2]
        if self.path == "/system/functions" and self.command == "GET":
            return self.answer(200, json.dumps(list(functions.values())).encode())
        if self.path == "/system/functions" and self.command == "POST":
            if document["image"] == "bad":
                return self.answer(400, b"Deployment error: no such image\n")
            functions[name] = {"name": name, **document}
            return self.answer(202)
        if name not in functions:
            return self.answer(404)
        if self.path == "/system/functions" and self.command == "PUT":
            functions[name] = {"name": name, **document}
        elif self.path == "/system/functions":
            del functions[name]
        elif self.path.startswith("/system/scale-function/"):
            functions[name]["replicas"] = document["replicas"]
        else:
            return self.answer(200, json.dumps(functions[name]).encode())
        return self.answer(202)

    def secrets(self, document):
        kept, name = self.server.kept_secrets, document.get("name")
        if self.command == "GET":
            return self.answer(200, json.dumps([{"name": key} for key in kept]).encode())
        if self.command == "POST" and name in kept:
            return self.answer(409)
        if self.command != "POST" and name not in kept:
            return self.answer(404)
        if self.command == "DELETE":
            del kept[name]
        else:
            kept[name] = b64decode(document["rawValue"])
        return self.answer(201 if self.command == "POST" else 200)

    def logs(self, query):
        if query["name"] not in self.server.functions:
            return self.answer(404)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(1 if query["tail"] == "1" else 2):
            line = json.dumps(
                {"name": query["name"], "text": f"line {number} {query.get('since', '')}"}
            ).encode()
            self.wfile.write(b"%x\r\n%s\n\r\n" % (len(line) + 1, line))
            self.wfile.flush()
        if query["follow"] == "true":
            self.server.released.wait(10)
        self.wfile.write(b"0\r\n\r\n")
        return None

    def call(self, body):
        name, _, rest = self.path.removeprefix("/function/").partition("/")
        if name not in self.server.functions:
            return self.answer(404, b"Cannot find service", {"X-OpenFaaS-Internal": "gateway"})
        if rest == "missing":
            return self.answer(404, b"no such page")
        return self.answer(200, b" ".join([self.command.encode(), rest.encode(), body]))

    def answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for header, value in (headers or {}).items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def gateway():
    with running_gateway() as server:
        yield server


@contextmanager
def running_gateway():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.functions, server.seen, server.kept_secrets = {}, [], {}
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def client(server, password=PASSWORD):
    return GatewayClient(f"http://127.0.0.1:{server.server_port}", "admin", Secret(password), timeout_s=5)


def test_a_new_function_is_put_then_posted(gateway):
    client(gateway).put({"service": "hello", "image": "i1"})
    client(gateway).put({"service": "hello", "image": "i2"})
    assert [(method, path) for method, path, _ in gateway.seen] == [
        ("PUT", "/system/functions"),
        ("POST", "/system/functions"),
        ("PUT", "/system/functions"),
    ]
    assert client(gateway).existing("hello")["image"] == "i2"


def test_functions_are_listed_by_name_scaled_and_removed(gateway):
    speaker = client(gateway)
    for name in ("b", "a"):
        speaker.put({"service": name, "image": "i"})
    assert [status["name"] for status in speaker.functions()] == ["a", "b"]
    speaker.scale("a", 3)
    assert speaker.existing("a")["replicas"] == 3
    speaker.remove("b")
    assert speaker.function("b") is None


def test_a_call_carries_method_path_and_body(gateway):
    client(gateway).put({"service": "hello", "image": "i"})
    assert client(gateway).invoke("hello", b"body").body == b"POST  body"
    answer = client(gateway).invoke("hello", b"", method="PATCH", path="/a/b?c=d")
    assert (answer.status, answer.body) == (200, b"PATCH a/b?c=d ")


def test_a_404_of_the_functions_own_is_its_answer(gateway):
    client(gateway).put({"service": "hello", "image": "i"})
    answer = client(gateway).invoke("hello", path="missing")
    assert (answer.status, answer.body, answer.is_the_gateways) == (404, b"no such page", False)


@pytest.mark.parametrize("ask", ["existing", "remove", "invoke", "scale"])
def test_an_unknown_function_is_told_with_the_nearest(gateway, ask):
    client(gateway).put({"service": "functest", "image": "i"})
    arguments = ("functst", 2) if ask == "scale" else ("functst",)
    with pytest.raises(GatewayError) as caught:
        getattr(client(gateway), ask)(*arguments)
    assert caught.value.message == "There is no function 'functst' in the cluster (did you mean 'functest'?)."
    assert caught.value.hint == "There are: functest."


def test_a_wrong_password_is_told(gateway):
    with pytest.raises(GatewayError) as caught:
        client(gateway, "wrong").functions()
    assert "does not accept the password of user 'admin'" in caught.value.message
    assert "wrong" not in caught.value.message


def test_a_refusal_is_told_in_the_gateways_words(gateway):
    with pytest.raises(GatewayError) as caught:
        client(gateway).put({"service": "hello", "image": "bad"})
    assert caught.value.message.endswith("Deployment error: no such image (status 400).")


def test_a_gateway_that_is_away_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(GatewayError) as caught:
            GatewayClient(url, "admin", Secret(PASSWORD)).functions()
    assert caught.value.message == f"The gateway at {url} cannot be reached: connection refused."


def test_a_gateway_that_says_nothing_is_told():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(GatewayError) as caught:
            GatewayClient(url, "admin", Secret(PASSWORD), timeout_s=0.2).functions()
    assert "gave no answer to GET /system/functions in time (0 s)" in caught.value.message


def test_secrets_are_kept_changed_and_forgotten(gateway):
    speaker = client(gateway)
    speaker.create_secret("key", b"\x00first")
    speaker.update_secret("key", b"second")
    assert gateway.kept_secrets == {"key": b"second"}
    assert speaker.secrets() == ["key"]
    with pytest.raises(GatewayError, match="There is a secret 'key' already"):
        speaker.create_secret("key", b"third")
    speaker.remove_secret("key")
    assert speaker.secrets() == []


@pytest.mark.parametrize("ask", ["update_secret", "remove_secret"])
def test_an_unknown_secret_is_told_with_the_nearest(gateway, ask):
    client(gateway).create_secret("api-key", b"1")
    arguments = ("api-kay", b"2") if ask == "update_secret" else ("api-kay",)
    with pytest.raises(GatewayError) as caught:
        getattr(client(gateway), ask)(*arguments)
    assert caught.value.message == "There is no secret 'api-kay' in the cluster (did you mean 'api-key'?)."


def test_log_lines_are_given(gateway):
    client(gateway).put({"service": "hello", "image": "i"})
    lines = client(gateway).logs("hello", since="2026-01-01T00:00:00Z")
    assert [line["text"] for line in lines] == ["line 0 2026-01-01T00:00:00Z", "line 1 2026-01-01T00:00:00Z"]
    assert [line["text"] for line in client(gateway).logs("hello", tail=1)] == ["line 0 "]


def test_followed_log_lines_come_at_once(gateway):
    client(gateway).put({"service": "hello", "image": "i"})
    lines = client(gateway).logs("hello", follow=True)
    assert [next(lines)["text"], next(lines)["text"]] == ["line 0 ", "line 1 "]
    gateway.released.set()
    assert list(lines) == []


def test_the_log_of_an_unknown_function_is_told(gateway):
    with pytest.raises(GatewayError, match="There is no function 'hello' in the cluster"):
        list(client(gateway).logs("hello"))
