"""A whole gateway on loopback: a real HAProxy, the controller behind it, functions behind both.

The functions are small HTTP servers on addresses of loopback, found through DNS as the engine tells tasks;
only the Swarm itself is in memory.
"""

import http.server
import json
import shutil
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import parse_qs, urlsplit

import requests
from support.fake_swarm import fake_swarm
from support.serving import served
from support.tasks_dns import tasks_dns

from piswarm.gateway.app import create_app
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.call_log import CallLog
from piswarm.gateway.follower import Follower
from piswarm.gateway.haproxy import HAProxy
from piswarm.gateway.haproxy_config import DataPlane, Route, render
from piswarm.gateway.replicas import ReplicaWaiter
from piswarm.gateway.tallier import Tallier
from tests.service.ports import free_port

USER = ("admin", "secret")
DEADLINE_S = 10.0


class Echo(http.server.BaseHTTPRequestHandler):
    """A function: tells what it was asked, with the status and after the seconds that it was asked for."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def answer(self):
        with self.server.one_more_at_once() as at_once:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            wanted = parse_qs(urlsplit(self.path).query)
            time.sleep(float(wanted.get("sleep", [0])[0]))
        told = {
            "replica": self.server.server_address[0],
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "length": len(body),
            "at_once": at_once,
        }
        content = json.dumps(told).encode()
        self.send_response(int(wanted.get("status", [200])[0]))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815  (http.server calls these)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._at_once = 0
        self._counting = threading.Lock()

    @contextmanager
    def one_more_at_once(self):
        with self._counting:
            self._at_once += 1
            at_once = self._at_once
        yield at_once
        with self._counting:
            self._at_once -= 1


@contextmanager
def function_replica(address, port):
    server = Server((address, port), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class Gateway:
    """A running gateway and what it stands on."""

    def __init__(self, plane, proxy, process, names, call_log, log_file, stack):
        self.plane = plane
        self.proxy = proxy
        self.process = process
        self.names = names
        self.call_log = call_log
        self.log_file = log_file
        self.swarm = fake_swarm()
        self.url = f"http://{plane.bind}"
        self._stack = stack

    def start_controller(self):
        follower = Follower(self.swarm.functions, self.proxy, self.plane, refresh_s=60)
        waiter = ReplicaWaiter(self.swarm.functions, patience_s=2, patience_in_trouble_s=0.2)
        tallier = Tallier(self.proxy, self.call_log, self.plane.tallies_file)
        app = create_app(
            Credentials(*USER), self.swarm, self.proxy, follower, tallier, waiter=waiter, heartbeat_s=0.2
        )
        return served(app, int(self.plane.controller.rpartition(":")[2]))

    def replica(self, name, address):
        """Start a replica; its address is told by the DNS from now on."""
        self._stack.enter_context(function_replica(address, self.plane.function_port))
        self.names.addresses.setdefault(f"tasks.{name}", []).append(address)

    def replica_without_name(self, name, address):
        """Start a replica that the Swarm tells of, and the DNS does not."""
        self._stack.enter_context(function_replica(address, self.plane.function_port))
        self.swarm.functions.addresses[name] = (address,)

    def ask(self, path, method="GET", **more):
        return requests.request(method, self.url + path, timeout=DEADLINE_S, allow_redirects=False, **more)

    def until(self, met, path):
        deadline = time.monotonic() + DEADLINE_S
        while not met(answer := self.ask(path)):
            assert time.monotonic() < deadline, f"{answer.status_code}: {answer.text}"
            time.sleep(0.05)
        return answer


def ended(process):
    process.terminate()
    try:
        process.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(DEADLINE_S)


@contextmanager
def running_gateway(run_directory):
    """Start HAProxy; a test starts controller, routes and replicas as it needs them."""
    assert shutil.which("haproxy"), "the Debian package haproxy is not installed"
    with ExitStack() as stack:
        names, resolver = stack.enter_context(tasks_dns())
        bind, metrics, controller, call_log, succession, function = different_ports(6)
        plane = DataPlane(
            bind=f"127.0.0.1:{bind}",
            metrics_bind=f"127.0.0.1:{metrics}",
            controller=f"127.0.0.1:{controller}",
            call_log=f"127.0.0.1:{call_log}",
            succession=f"127.0.0.1:{succession}",
            resolver=resolver,
            function_port=function,
            run_directory=run_directory,
        )
        proxy = HAProxy(plane)
        proxy.prepare(render(None, plane))
        log_file = run_directory / "haproxy.log"
        process = start_haproxy(plane, log_file)
        stack.callback(ended, process)
        hearing = stack.enter_context(CallLog(plane.call_log))
        yield Gateway(plane, proxy, process, names, hearing, log_file, stack)


def different_ports(count):
    """Return free ports: two asked for one after the other may be the same."""
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return ports


def start_haproxy(plane, log_file):
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            ["haproxy", "-W", "-S", f"{plane.master_socket},mode,660", "-f", plane.config_file], stdout=log
        )
    deadline = time.monotonic() + DEADLINE_S
    while not HAProxy(plane).running_fingerprint():
        assert process.poll() is None, "HAProxy ended at its start"
        assert time.monotonic() < deadline, "HAProxy has not started in time"
        time.sleep(0.02)
    return process


def route(gateway, *names):
    gateway.proxy.apply(render([Route(name, 4) for name in names], gateway.plane))
