"""A function as the gateway knows it: what was asked for, and what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from piswarm.gateway.calls import NONE, Calls
from piswarm.gateway.condition import WELL, Condition
from piswarm.gateway.quantities import format_cpu, format_memory, parse_seconds

NAMESPACE = "openfaas-fn"
"""The one namespace that there is, under the name that OpenFaaS's clients send."""

LABEL = "com.openfaas.function"
SCALE_MIN = "com.openfaas.scale.min"
SCALE_MAX = "com.openfaas.scale.max"
TIMEOUT = "com.piswarm.timeout"
MAX_IN_FLIGHT = "com.piswarm.max-inflight"
DEFAULT_SCALE_MAX = 20
DEFAULT_TIMEOUT_S = 300
DEFAULT_MAX_IN_FLIGHT = 256


@dataclass(frozen=True)
class Resources:
    """Amounts for each replica; None means that nothing is asked for.

    Attributes:
        memory_bytes: memory in bytes.
        nano_cpus: CPU in billionths.
    """

    memory_bytes: int | None = None
    nano_cpus: int | None = None

    def to_json(self) -> dict[str, str]:
        """Return the amounts as the wire contract writes them."""
        document: dict[str, str] = {}
        if self.memory_bytes is not None:
            document["memory"] = format_memory(self.memory_bytes)
        if self.nano_cpus is not None:
            document["cpu"] = format_cpu(self.nano_cpus)
        return document


@dataclass(frozen=True)
class FunctionSpec:
    """What was asked for when the function was deployed.

    Attributes:
        name: the function's name, which is its service's name, too.
        image: image reference.
        process: the program run for each request (`fprocess`); empty when the image knows.
        environment: environment variables.
        constraints: Swarm placement constraints beyond the one that piswarm always sets.
        secrets: names of the secrets to mount.
        labels: the deployer's labels.
        annotations: the deployer's annotations.
        limits: upper bounds for each replica.
        requests: reservations for each replica.
        read_only: whether the root file system is read-only (with a writable `/tmp`).
    """

    name: str
    image: str
    process: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    limits: Resources = Resources()
    requests: Resources = Resources()
    read_only: bool = False

    @property
    def scale_min(self) -> int:
        """Return the number of replicas that the function starts with."""
        return int(self.labels.get(SCALE_MIN, 1))

    @property
    def scale_max(self) -> int:
        """Return the number of replicas that an update keeps at most."""
        return max(int(self.labels.get(SCALE_MAX, DEFAULT_SCALE_MAX)), self.scale_min)

    @property
    def timeout_s(self) -> int:
        """Return the seconds that a call may take until the answer begins."""
        return parse_seconds(self.labels.get(TIMEOUT, str(DEFAULT_TIMEOUT_S)))

    @property
    def max_in_flight(self) -> int:
        """Return how many calls one replica gets at the same time."""
        return int(self.labels.get(MAX_IN_FLIGHT, DEFAULT_MAX_IN_FLIGHT))

    def replicas_after_update(self, current: int) -> int:
        """Return how many replicas an update leaves: the current number, within the function's bounds."""
        return min(max(current, self.scale_min), self.scale_max)


@dataclass(frozen=True)
class Function:
    """A function that is deployed.

    Attributes:
        spec: what was asked for.
        replicas: replicas that Swarm is to keep.
        available: replicas that run, healthy where the image has a health check.
        created_at: when it was first deployed.
        condition: how it is, and why.
    """

    spec: FunctionSpec
    replicas: int
    available: int
    created_at: datetime
    condition: Condition = WELL

    def to_json(self, calls: Calls = NONE) -> dict[str, Any]:
        """Return the function as FunctionStatus of the wire contract, with `state`, `reason` and `calls` added."""
        spec = self.spec
        return {
            "name": spec.name,
            "image": spec.image,
            "namespace": NAMESPACE,
            "envProcess": spec.process,
            "envVars": dict(spec.environment),
            "constraints": list(spec.constraints),
            "secrets": list(spec.secrets),
            "labels": dict(spec.labels),
            "annotations": dict(spec.annotations),
            "limits": spec.limits.to_json(),
            "requests": spec.requests.to_json(),
            "readOnlyRootFilesystem": spec.read_only,
            "invocationCount": calls.answered,
            "replicas": self.replicas,
            "availableReplicas": self.available,
            "state": self.condition.state,
            "reason": self.condition.reason,
            "calls": calls.to_json(),
            "createdAt": self.created_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
