"""A function as a Swarm service, and back.

The documents are those of the Docker Engine API (`ServiceSpec`): https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from piswarm.gateway.function import LABEL, Function, FunctionSpec, Resources

SECONDS = 10**9
SECRETS_DIRECTORY = "/var/openfaas/secrets"
_MARK = {"function": "true"}
_ANNOTATION = "com.openfaas.annotations."
_PLATFORM = "node.platform.os == linux"
_PROCESS = "fprocess"
_STOP_GRACE_S = 30


def service_spec(
    spec: FunctionSpec, *, replicas: int, network: str, secret_ids: Mapping[str, str]
) -> dict[str, Any]:
    """Return the Swarm service that runs the function.

    Args:
        spec: the function.
        replicas: how many replicas to keep.
        network: name of the overlay network that the gateway shares with its functions.
        secret_ids: the engine's id of each secret that the function names.
    """
    labels = {**_service_labels(spec), LABEL: spec.name, **_MARK}
    return {
        "Name": spec.name,
        "Labels": labels,
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": spec.image,
                "Labels": labels,
                "Env": _environment(spec),
                "Secrets": [_secret_mount(name, secret_ids[name]) for name in spec.secrets],
                "ReadOnly": spec.read_only,
                "Mounts": [{"Type": "tmpfs", "Target": "/tmp"}] if spec.read_only else [],  # noqa: S108
                "StopGracePeriod": _STOP_GRACE_S * SECONDS,
            },
            "Resources": {
                "Limits": _amounts(spec.limits),
                "Reservations": _amounts(spec.requests),
            },
            "RestartPolicy": {"Condition": "any", "Delay": 2 * SECONDS},
            "Placement": {"Constraints": [_PLATFORM, *spec.constraints]},
            "Networks": [{"Target": network}],
        },
        "Mode": {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": _gradually("rollback"),
        "RollbackConfig": _gradually("pause"),
        # No virtual address: some kernels of small boards lack IPVS, and HAProxy balances over the tasks.
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def read_function(service: Mapping[str, Any]) -> Function:
    """Return the function that a service, as the engine lists it with its status, runs."""
    document = service["Spec"]
    status = service.get("ServiceStatus") or {}
    return Function(
        spec=read_spec(document),
        replicas=document["Mode"]["Replicated"].get("Replicas", 0),
        available=status.get("RunningTasks", 0),
        created_at=datetime.fromisoformat(service["CreatedAt"]),
    )


def is_function(service: Mapping[str, Any]) -> bool:
    """Return whether a service is a function of this gateway's."""
    document = service["Spec"]
    return document.get("Labels", {}).get(LABEL) == document["Name"] and "Replicated" in document["Mode"]


def read_spec(document: Mapping[str, Any]) -> FunctionSpec:
    """Return the function that a `ServiceSpec` was made for."""
    task = document["TaskTemplate"]
    container = task["ContainerSpec"]
    labels = {k: v for k, v in document["Labels"].items() if k != LABEL and k not in _MARK}
    environment = dict(entry.partition("=")[::2] for entry in container.get("Env") or [])
    resources = task.get("Resources") or {}
    return FunctionSpec(
        name=document["Name"],
        image=container["Image"],
        process=environment.pop(_PROCESS, ""),
        environment=environment,
        constraints=tuple(c for c in task.get("Placement", {}).get("Constraints") or [] if c != _PLATFORM),
        secrets=tuple(secret["SecretName"] for secret in container.get("Secrets") or []),
        labels={k: v for k, v in labels.items() if not k.startswith(_ANNOTATION)},
        annotations={k.removeprefix(_ANNOTATION): v for k, v in labels.items() if k.startswith(_ANNOTATION)},
        limits=_read_amounts(resources.get("Limits")),
        requests=_read_amounts(resources.get("Reservations")),
        read_only=bool(container.get("ReadOnly")),
    )


def _service_labels(spec: FunctionSpec) -> dict[str, str]:
    return {**spec.labels, **{_ANNOTATION + key: value for key, value in spec.annotations.items()}}


def _environment(spec: FunctionSpec) -> list[str]:
    variables = {**spec.environment, **({_PROCESS: spec.process} if spec.process else {})}
    return [f"{name}={value}" for name, value in sorted(variables.items())]


def _secret_mount(name: str, secret_id: str) -> dict[str, Any]:
    target = {"Name": f"{SECRETS_DIRECTORY}/{name}", "UID": "0", "GID": "0", "Mode": 0o444}
    return {"SecretID": secret_id, "SecretName": name, "File": target}


def _amounts(resources: Resources) -> dict[str, int]:
    amounts = {"MemoryBytes": resources.memory_bytes, "NanoCPUs": resources.nano_cpus}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def _read_amounts(amounts: Mapping[str, int] | None) -> Resources:
    amounts = amounts or {}
    return Resources(amounts.get("MemoryBytes") or None, amounts.get("NanoCPUs") or None)


def _gradually(on_failure: str) -> dict[str, Any]:
    return {"Parallelism": 1, "Order": "start-first", "FailureAction": on_failure, "Monitor": 5 * SECONDS}
