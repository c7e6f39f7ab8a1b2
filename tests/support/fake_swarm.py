"""A Swarm in memory: the edge of the gateway's contract tests. The real one is tested in tests/lab."""

import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from piswarm.gateway.admission import must_be_able_to_run
from piswarm.gateway.faults import BadRequest, Conflict, NotFound
from piswarm.gateway.function import Function
from piswarm.gateway.logs import LogLine
from piswarm.gateway.node import Node
from piswarm.gateway.service_spec import read_function, service_spec
from piswarm.gateway.swarm import Swarm
from piswarm.gateway.tasks import Replicas

CREATED = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOT_LISTENING = "127.0.3.1"
"""The address of a replica of which a test does not say where it is."""


class FakeFunctions:
    """Keeps services as documents of the engine, and starts replicas at once unless told otherwise."""

    def __init__(self, secrets, nodes):
        self._secrets = secrets
        self._nodes = nodes
        self.images = {}
        self.services = {}
        self.addresses = {}
        self.troubles = {}
        self.starts_replicas = True
        self.changed = threading.Event()

    def all(self):
        return [self.one(name) for name in sorted(self.services)]

    def one(self, name) -> Function:
        if name not in self.services:
            raise NotFound(f"No such service found: {name}.")
        document = self.services[name]
        replicas = document["Mode"]["Replicated"]["Replicas"]
        running = replicas if self.starts_replicas else 0
        return read_function(
            {
                "Spec": document,
                "CreatedAt": CREATED.isoformat(),
                "ServiceStatus": {"RunningTasks": running},
            }
        )

    def replicas(self, name):
        function = self.one(name)
        running = self.addresses.get(name, (NOT_LISTENING,)) if function.available else ()
        return Replicas(function.replicas, running, self.troubles.get(name, ""))

    def create(self, spec):
        if spec.name in self.services:
            raise BadRequest(f"Deployment error: there is a service named {spec.name} already.")
        self._write(spec, spec.scale_min)

    def update(self, spec):
        current = self.one(spec.name)
        self._write(spec, spec.replicas_after_update(current.replicas))

    def scale(self, name, replicas):
        self.one(name)
        self.services[name]["Mode"]["Replicated"]["Replicas"] = replicas
        self.changed.set()

    def remove(self, name):
        self.one(name)
        del self.services[name]
        self.changed.set()

    def changes(self):
        while True:
            yield
            self.changed.wait()
            self.changed.clear()

    def users_of(self, secret):
        return [name for name in self.services if secret in self.one(name).spec.secrets]

    def _write(self, spec, replicas):
        must_be_able_to_run(spec, self.images.get(spec.image), self._nodes.all())
        missing = sorted(set(spec.secrets) - self._secrets.values.keys())
        if missing:
            raise BadRequest(f"Deployment error: no such secret: {', '.join(missing)}.")
        mounted = {name: (f"id-{name}", name) for name in spec.secrets}
        self.services[spec.name] = service_spec(
            spec, replicas=replicas, network="piswarm_functions", secrets=mounted
        )
        self.changed.set()


class FakeSecrets:
    """Keeps values where a test can look at them."""

    def __init__(self, names):
        self.values = dict.fromkeys(names, b"value")
        self.users_of = lambda _: []

    def names(self):
        return sorted(self.values)

    def create(self, name, value):
        if name in self.values:
            raise Conflict(f"There is a secret named {name} already.")
        self.values[name] = value

    def update(self, name, value):
        self._must_be_known(name)
        self.values[name] = value

    def remove(self, name):
        self._must_be_known(name)
        if self.users_of(name):
            raise Conflict(f"The secret {name} is used by {', '.join(self.users_of(name))}.")
        del self.values[name]

    def _must_be_known(self, name):
        if name not in self.values:
            raise NotFound(f"No such secret: {name}.")


class FakeLogs:
    """Gives the lines that a test wrote; a follower gets those that come later, too."""

    def __init__(self, functions):
        self._functions = functions
        self.lines = []
        self.readers = 0

    def write(self, name, text, instance="task1", timestamp="2026-11-20T12:00:00.123456789Z"):
        self.lines.append(LogLine(name, instance, timestamp, text))

    @asynccontextmanager
    async def read(self, query):
        self._functions.one(query.name)
        self.readers += 1
        try:
            yield self._chosen(query)
        finally:
            self.readers -= 1

    async def _chosen(self, query):
        seen = len(self.lines)
        chosen = [line for line in self.lines if self._is_asked_for(line, query)]
        for line in chosen if query.tail is None else chosen[max(0, len(chosen) - query.tail) :]:
            yield line
        while query.follow:
            for line in self.lines[seen:]:
                yield line
            seen = len(self.lines)
            await asyncio.sleep(0.01)

    def _is_asked_for(self, line, query):
        if query.since and datetime.fromisoformat(line.timestamp) < query.since:
            return False
        return line.name == query.name and line.instance.startswith(query.instance)


class FakeDeployer:
    """Keeps what it was told to deploy; nothing ever ends."""

    def __init__(self):
        self.deliveries = []

    def start(self, delivery):
        if any(one.commit == delivery.commit for one in self.deliveries):
            return False
        self.deliveries.append(delivery)
        return True


class FakeNodes:
    """One node of each architecture, unless a test says otherwise."""

    def __init__(self):
        self.nodes = [node("pi3", "armhf"), node("pi5", "arm64")]

    def all(self):
        return self.nodes


def node(name, arch, **more) -> Node:
    """Return a node as piswarm's users have them."""
    facts = {
        "role": "worker",
        "leader": False,
        "state": "ready",
        "availability": "active",
        "model": f"Raspberry {name}",
        "memory_bytes": 2**30,
        "nano_cpus": 4 * 10**9,
        **more,
    }
    return Node(id=f"id-{name}", name=name, arch=arch, **facts)


def fake_swarm(secrets=()) -> Swarm:
    """Return an empty cluster with some secrets."""
    kept = FakeSecrets(secrets)
    nodes = FakeNodes()
    functions = FakeFunctions(kept, nodes)
    kept.users_of = functions.users_of
    return Swarm(functions, kept, FakeLogs(functions), nodes, FakeDeployer())
