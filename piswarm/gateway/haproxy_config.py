"""The configuration of HAProxy, rendered from the functions that there are.

A pure function: the same functions give the same text, so a change of the text is a reason to reload.
What the single settings are for: https://docs.haproxy.org/3.0/configuration.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from piswarm.gateway.function import DEFAULT_MAX_IN_FLIGHT, DEFAULT_TIMEOUT_S, Function

HEALTH_PATH = "/healthz/data-plane"
"""HAProxy itself answers here, whether the controller lives or not."""
GUESSES_A_MINUTE = 20
"""After that many wrong passwords in a minute an address must wait."""
_TOO_MANY_GUESSES = "Too many wrong passwords from this address; wait a minute."
_PEER = "gateway"
_LEAST_SLOTS = 4
_LOG_LINE = (
    '{"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","call_id":"%[var(txn.call_id),bytes(0,100),json(utf8s)]",'
    '"function":"%[be_name,field(2,:),json(utf8s)]","method":"%HM","status":%ST,"ms":%Ta,"wait_ms":%Tw,'
    '"bytes":%B,"end":"%ts"}'
).replace('"', '\\"')
"""One line of JSON for a call: no body, no query, no credentials."""
_FEW_CALLS_A_SECOND = 100
"""Of a function's calls; each of them is told to the controller."""
_ONE_OF_MANY = 50
"""When there are more, that part of them is told: a line costs as much as a fifth of a call."""
_NAME_IN_PATH = "path,field(3,/.)"
"""The function in /function/NAME[.NAMESPACE][/PATH]."""
_WAIT_SCRIPT = Path(__file__).with_name("wait_for_replica.lua")


@dataclass(frozen=True)
class DataPlane:
    """Where HAProxy listens and what it finds where.

    Attributes:
        bind: address and port for clients.
        metrics_bind: address and port for whoever collects metrics.
        controller: address and port of the controller.
        call_log: address and port that the controller hears of single calls on.
        succession: address and port on which a process tells the next one who has guessed at passwords.
        resolver: address and port of the DNS server that knows the functions' tasks.
        function_port: the port that functions listen on.
        run_directory: folder of the sockets and of the servers' last known state.
        wait_script: the Lua file that makes a request wait for a replica.
        threads: how many threads carry calls; 0 for one on each CPU.
    """

    bind: str = ":8080"
    metrics_bind: str = ":8082"
    controller: str = "127.0.0.1:8081"
    call_log: str = "127.0.0.1:8083"
    succession: str = "127.0.0.1:8084"
    resolver: str = "127.0.0.11:53"
    function_port: int = 8080
    run_directory: Path = Path("/run/piswarm")
    wait_script: Path = _WAIT_SCRIPT
    threads: int = 0

    @property
    def admin_socket(self) -> Path:
        """Return the socket of the worker that serves: statistics and administration."""
        return self.run_directory / "haproxy.sock"

    @property
    def master_socket(self) -> Path:
        """Return the socket of the master process, which reloads."""
        return self.run_directory / "haproxy-master.sock"

    @property
    def servers_file(self) -> Path:
        """Return the file that carries the servers' addresses over a reload."""
        return self.run_directory / "servers.state"

    @property
    def calls_file(self) -> Path:
        """Return the file that carries the counted calls over a reload and a restart of the controller."""
        return self.run_directory / "calls.json"

    @property
    def tallies_file(self) -> Path:
        """Return the file that carries over a restart of the controller how calls ended."""
        return self.run_directory / "tallies.json"

    @property
    def config_file(self) -> Path:
        """Return the configuration that HAProxy runs with."""
        return self.run_directory / "haproxy.cfg"


@dataclass(frozen=True)
class Route:
    """One function as HAProxy sees it.

    Attributes:
        name: the function.
        slots: for how many replicas there is room.
        timeout_s: seconds that a replica may let a call wait.
        max_in_flight: calls that one replica gets at the same time; the others wait.
    """

    name: str
    slots: int
    timeout_s: int = DEFAULT_TIMEOUT_S
    max_in_flight: int = DEFAULT_MAX_IN_FLIGHT


def route_to(function: Function) -> Route:
    """Return the route to a function, with room to grow before HAProxy must reload.

    A rolling update starts replicas before it stops others, so twice the replicas fit.
    """
    slots = _LEAST_SLOTS
    while slots < 2 * function.replicas:
        slots *= 2
    spec = function.spec
    return Route(spec.name, slots, spec.timeout_s, spec.max_in_flight)


@dataclass(frozen=True)
class Configuration:
    """A rendered configuration.

    Attributes:
        text: what HAProxy reads.
        fingerprint: a short name of its content, which the running HAProxy tells as its description.
    """

    text: str
    fingerprint: str


def render(routes: Iterable[Route] | None, plane: DataPlane) -> Configuration:
    """Return HAProxy's configuration for the functions in `routes`.

    Args:
        routes: the functions; None while the gateway does not know them yet.
        plane: addresses and files.
    """
    known = None if routes is None else sorted(routes, key=lambda route: route.name)
    sections = [
        _defaults(plane, max([DEFAULT_TIMEOUT_S, *(route.timeout_s for route in known or [])])),
        _succession(plane),
        _entrance(plane),
        _metrics(plane),
        _controller(plane),
        _missing() if known is not None else _starting(),
        *[_function(route, plane) for route in known or []],
    ]
    body = "\n\n".join(sections) + "\n"
    fingerprint = hashlib.sha256(body.encode()).hexdigest()[:16]
    return Configuration(f"{_global(plane, fingerprint)}\n\n{body}", fingerprint)


def _global(plane: DataPlane, description: str) -> str:
    threads = f"\n    nbthread {plane.threads}" if plane.threads else ""
    return f"""\
global
    description {description}
    localpeer {_PEER}
    maxconn 4000
    stats socket {plane.admin_socket} mode 660 level admin expose-fd listeners
    server-state-file {plane.servers_file}
    hard-stop-after 30m{threads}
    set-var proc.controller str({plane.controller})
    lua-load-per-thread {plane.wait_script}"""


def _defaults(plane: DataPlane, longest_s: int) -> str:
    return f"""\
defaults
    mode http
    option idle-close-on-response
    load-server-state-from-file global
    timeout client {longest_s + 5}s
    timeout server {longest_s}s
    timeout tunnel 1h
    timeout http-request 15s
    timeout http-keep-alive 60s
    timeout queue 30s
    timeout connect 300ms
    retries 3
    option redispatch 1
    http-error {_answer(502, "The function ended before it answered.")}
    http-error {_answer(503, "No replica of the function could take the request in time.", retry_after_s=1)}
    http-error {_answer(504, "The function did not answer in time.")}

resolvers swarm
    nameserver engine {plane.resolver}
    accepted_payload_size 8192
    resolve_retries 2
    timeout resolve 500ms
    timeout retry 500ms
    hold valid 1s
    hold nx 0s
    hold obsolete 0s"""


def _succession(plane: DataPlane) -> str:
    return f"""\
peers succession
    peer {_PEER} {plane.succession}"""


def _entrance(plane: DataPlane) -> str:
    return f"""\
frontend entrance
    bind {plane.bind}
    monitor-uri {HEALTH_PATH}
    log stdout format raw local0 err
    log {plane.call_log} format raw local0 info
    option log-separate-errors
    option dontlognull
    log-format {_LOG_LINE}
    acl brings_call_id req.fhdr(X-Call-Id),set-var(txn.call_id) -m found
    http-request add-header X-Call-Id %[uuid(),set-var(txn.call_id)] unless brings_call_id
    http-request set-header X-Start-Time %[date(0,us),set-var(txn.start_us)]000
    http-request add-header X-Forwarded-Host %[req.fhdr(Host)] unless {{ req.fhdr(X-Forwarded-Host) -m found }}
    http-request add-header X-Forwarded-For %ci:%cp unless {{ req.fhdr(X-Forwarded-For) -m found }}
    http-after-response set-header X-Call-Id %[var(txn.call_id)]
    http-after-response add-header X-Start-Time %[var(txn.start_us)]000
    use_backend controller unless {{ path_beg /function/ }}
    use_backend function:%[{_NAME_IN_PATH}]
    default_backend unknown"""


def _metrics(plane: DataPlane) -> str:
    return f"""\
frontend metrics
    bind {plane.metrics_bind}
    monitor-uri /healthz
    http-request return {_answer(404, "404 page not found")} unless {{ path /metrics }}
    default_backend controller"""


def _controller(plane: DataPlane) -> str:
    return f"""\
backend controller
    timeout connect 500ms
    retries 6
    http-request return {_answer(404, "404 page not found")} if {{ path /metrics }} {{ fe_name entrance }}
    stick-table type ipv6 size 10k expire 5m peers succession store gpc0,gpc0_rate(60s)
    http-request track-sc0 src
    acl guesses sc_gpc0_rate(0) ge {GUESSES_A_MINUTE}
    http-request return {_answer(429, _TOO_MANY_GUESSES, retry_after_s=60)} if guesses
    http-response sc-inc-gpc0(0) if {{ status 401 }}
    http-error {_answer(503, "The controller is restarting; functions keep serving.", retry_after_s=2)}
    server controller {plane.controller}"""


def _missing() -> str:
    return f"""\
backend unknown
    http-request set-log-level silent
    http-request return {_answer(404, f"Cannot find service: %[{_NAME_IN_PATH}].", kind="lf-string")}"""


def _starting() -> str:
    return f"""\
backend unknown
    http-request return {_answer(503, "The gateway does not know its functions yet.", retry_after_s=1)}"""


def _function(route: Route, plane: DataPlane) -> str:
    # A process that gives way to the next has no server by its own count, and still serves what it has.
    # A request that may have reached a replica is never sent again (and HAProxy need not keep a copy of it).
    return f"""\
backend function:{route.name}
    balance leastconn
    timeout server {route.timeout_s}s
    timeout queue {route.timeout_s}s
    http-request set-path /%[path,field(4,/,0)]
    http-response set-log-level silent if {{ be_sess_rate gt {_FEW_CALLS_A_SECOND} }} !{{ rand({_ONE_OF_MANY}) 0 }}
    http-request allow if {{ nbsrv gt 0 }} or {{ stopping }}
    http-request lua.wait_for_replica
{_woken(route, plane)}\
    default-server check inter 500ms fall 1 rise 1 maxconn {route.max_in_flight}
    default-server init-addr last,none resolvers swarm resolve-prefer ipv4
    server-template replica {route.slots} tasks.{route.name}:{plane.function_port}"""


def _woken(route: Route, plane: DataPlane) -> str:
    """Return how a call reaches a replica that the DNS does not tell of yet: at the address in `txn.replica`.

    Such calls are not counted with those that the replica gets a moment later by its name. A function that set
    itself a lower bound than the default must not get more, so it waits for the DNS.
    """
    if route.max_in_flight < DEFAULT_MAX_IN_FLIGHT:
        return ""
    return f"""\
    http-request set-dst var(txn.replica)
    use-server woken if {{ var(txn.replica) -m found }}
    server woken 0.0.0.0:{plane.function_port} weight 0 maxconn {route.max_in_flight}
"""


def _answer(status: int, text: str, *, retry_after_s: int = 0, kind: str = "string") -> str:
    retry = f" hdr Retry-After {retry_after_s}" if retry_after_s else ""
    return (
        f'status {status} content-type "text/plain; charset=utf-8"'
        f' hdr X-OpenFaaS-Internal gateway{retry} {kind} "{text}\\n"'
    )
