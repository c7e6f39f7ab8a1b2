"""A function as a Swarm service, and back.

The documents are those of the Docker Engine API (`ServiceSpec`): https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from piswarm.gateway.condition import condition
from piswarm.gateway.function import LABEL, Function, FunctionSpec, Resources
from piswarm.gateway.node import ARCH_LABEL, ARCHITECTURES
from piswarm.gateway.tasks import Task

SECONDS = 10**9
SECRETS_DIRECTORY = "/var/openfaas/secrets"
_MARK = {"function": "true"}
_ANNOTATION = "com.openfaas.annotations."
_PLATFORM = "node.platform.os == linux"
_OTHER_THAN = {arch: f"node.labels.{ARCH_LABEL} != {arch}" for arch in ARCHITECTURES}
_OWN_CONSTRAINTS = frozenset({_PLATFORM, *_OTHER_THAN.values()})
_PROCESS = "fprocess"
_STOP_GRACE_S = 30


def service_spec(
    spec: FunctionSpec,
    *,
    replicas: int,
    network: str,
    secrets: Mapping[str, tuple[str, str]],
    avoid: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the Swarm service that runs the function.

    Args:
        spec: the function.
        replicas: how many replicas to keep.
        network: name of the overlay network that the gateway shares with its functions.
        secrets: the engine's id and the Swarm's name of each secret that the function names.
        avoid: architectures of nodes that must not get replicas.
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
                "Secrets": [_secret_mount(name, *secrets[name]) for name in spec.secrets],
                "ReadOnly": spec.read_only,
                "Mounts": [{"Type": "tmpfs", "Target": "/tmp"}] if spec.read_only else [],  # noqa: S108
                "StopGracePeriod": _STOP_GRACE_S * SECONDS,
            },
            "Resources": {
                "Limits": _amounts(spec.limits),
                "Reservations": _amounts(spec.requests),
            },
            "RestartPolicy": {"Condition": "any", "Delay": 2 * SECONDS},
            "Placement": {
                "Constraints": [_PLATFORM, *(_OTHER_THAN[arch] for arch in avoid), *spec.constraints]
            },
            "Networks": [{"Target": network}],
        },
        "Mode": {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": _gradually("rollback"),
        "RollbackConfig": _gradually("pause"),
        # No virtual address: some kernels of small boards lack IPVS, and HAProxy balances over the tasks.
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def read_function(service: Mapping[str, Any], tasks: Sequence[Task] = ()) -> Function:
    """Return the function that a service runs.

    Args:
        service: the service, as the engine lists it with its status.
        tasks: its tasks, the newest first; only needed where `needs_tasks` says so.
    """
    document = service["Spec"]
    replicas, running = _figures(service)
    return Function(
        spec=read_spec(document),
        replicas=replicas,
        available=min(running, replicas),  # during an update old and new replicas run side by side
        created_at=datetime.fromisoformat(service["CreatedAt"]),
        condition=condition(replicas, running, service.get("UpdateStatus") or {}, tasks),
    )


def needs_tasks(service: Mapping[str, Any]) -> bool:
    """Return whether a function's tasks must be looked at to tell how it is."""
    replicas, running = _figures(service)
    return running < replicas or _update_state(service) not in ("", "completed")


def tells_about(task: Mapping[str, Any], service: Mapping[str, Any]) -> bool:
    """Return whether a task of the service's was started for what the service is now.

    While an update is being taken back, and after that, the tasks of the failed update tell why.
    """
    if _update_state(service).startswith("rollback"):
        return True
    wanted = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    started = task["Spec"]["ContainerSpec"]
    return all(started.get(key) == value for key, value in wanted.items())


def _figures(service: Mapping[str, Any]) -> tuple[int, int]:
    replicas = service["Spec"]["Mode"]["Replicated"].get("Replicas", 0)
    return replicas, (service.get("ServiceStatus") or {}).get("RunningTasks", 0)


def _update_state(service: Mapping[str, Any]) -> str:
    return str((service.get("UpdateStatus") or {}).get("State", ""))


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
        constraints=tuple(
            c for c in task.get("Placement", {}).get("Constraints") or [] if c not in _OWN_CONSTRAINTS
        ),
        secrets=tuple(_known_name(mount) for mount in container.get("Secrets") or []),
        labels={k: v for k, v in labels.items() if not k.startswith(_ANNOTATION)},
        annotations={k.removeprefix(_ANNOTATION): v for k, v in labels.items() if k.startswith(_ANNOTATION)},
        limits=_read_amounts(resources.get("Limits")),
        requests=_read_amounts(resources.get("Reservations")),
        read_only=bool(container.get("ReadOnly")),
    )


def secret_ids_in(document: Mapping[str, Any]) -> set[str]:
    """Return the engine's ids of the secrets that a `ServiceSpec` mounts."""
    return {mount["SecretID"] for mount in document["TaskTemplate"]["ContainerSpec"].get("Secrets") or []}


def repoint_secret(document: Mapping[str, Any], name: str, secret_id: str, swarm_name: str) -> dict[str, Any]:
    """Return a copy of `document` in which the secret `name` is another Swarm secret."""
    changed = copy.deepcopy(dict(document))
    container = changed["TaskTemplate"]["ContainerSpec"]
    container["Secrets"] = [
        _secret_mount(name, secret_id, swarm_name) if _known_name(mount) == name else mount
        for mount in container["Secrets"]
    ]
    return changed


def _service_labels(spec: FunctionSpec) -> dict[str, str]:
    return {**spec.labels, **{_ANNOTATION + key: value for key, value in spec.annotations.items()}}


def _environment(spec: FunctionSpec) -> list[str]:
    variables = {**spec.environment, **({_PROCESS: spec.process} if spec.process else {})}
    return [f"{name}={value}" for name, value in sorted(variables.items())]


def _secret_mount(name: str, secret_id: str, swarm_name: str) -> dict[str, Any]:
    target = {"Name": f"{SECRETS_DIRECTORY}/{name}", "UID": "0", "GID": "0", "Mode": 0o444}
    return {"SecretID": secret_id, "SecretName": swarm_name, "File": target}


def _known_name(mount: Mapping[str, Any]) -> str:
    return str(mount["File"]["Name"]).removeprefix(f"{SECRETS_DIRECTORY}/")


def _amounts(resources: Resources) -> dict[str, int]:
    amounts = {"MemoryBytes": resources.memory_bytes, "NanoCPUs": resources.nano_cpus}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def _read_amounts(amounts: Mapping[str, int] | None) -> Resources:
    amounts = amounts or {}
    return Resources(amounts.get("MemoryBytes") or None, amounts.get("NanoCPUs") or None)


def _gradually(on_failure: str) -> dict[str, Any]:
    return {"Parallelism": 1, "Order": "start-first", "FailureAction": on_failure, "Monitor": 5 * SECONDS}
