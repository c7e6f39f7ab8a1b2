"""A Swarm in memory: the edge of the gateway's contract tests. The real one is tested in tests/lab."""

import threading
from datetime import UTC, datetime

from piswarm.gateway.faults import BadRequest, NotFound
from piswarm.gateway.function import Function
from piswarm.gateway.service_spec import read_function, service_spec

CREATED = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FakeSwarm:
    """Keeps services as documents of the engine, and starts replicas at once unless told otherwise."""

    def __init__(self, secrets=()):
        self.secrets = set(secrets)
        self.services = {}
        self.attempts = {}
        self.starts_replicas = True
        self.changed = threading.Event()

    def functions(self):
        return [self.function(name) for name in sorted(self.services)]

    def function(self, name) -> Function:
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

    def tasks(self, name):
        return self.attempts.get(name, [])

    def create(self, spec):
        if spec.name in self.services:
            raise BadRequest(f"Deployment error: there is a service named {spec.name} already.")
        self._write(spec, spec.scale_min)

    def update(self, spec):
        current = self.function(spec.name)
        self._write(spec, spec.replicas_after_update(current.replicas))

    def scale(self, name, replicas):
        self.function(name)
        self.services[name]["Mode"]["Replicated"]["Replicas"] = replicas
        self.changed.set()

    def remove(self, name):
        self.function(name)
        del self.services[name]
        self.changed.set()

    def changes(self):
        while True:
            yield
            self.changed.wait()
            self.changed.clear()

    def _write(self, spec, replicas):
        missing = sorted(set(spec.secrets) - self.secrets)
        if missing:
            raise BadRequest(f"Deployment error: no such secret: {', '.join(missing)}.")
        ids = {name: f"id-{name}" for name in spec.secrets}
        self.services[spec.name] = service_spec(
            spec, replicas=replicas, network="piswarm_functions", secret_ids=ids
        )
        self.changed.set()
