"""What the gateway needs of a Swarm, and that on the Docker SDK.

The SDK blocks: callers run these methods in worker threads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from piswarm.gateway import faults
from piswarm.gateway.function import LABEL, Function, FunctionSpec
from piswarm.gateway.service_spec import is_function, read_function, service_spec
from piswarm.gateway.tasks import Task, read_task

SECRET_OWNER = {"com.openfaas.owner": "openfaas"}
_ATTEMPTS = 5
_OUT_OF_SEQUENCE = "update out of sequence"

log = logging.getLogger(__name__)


class Swarm(Protocol):
    """The functions of a cluster, kept as services in the Swarm's own store."""

    def functions(self) -> list[Function]:
        """Return every function, by name."""

    def function(self, name: str) -> Function:
        """Return one function; NotFound when there is none of exactly this name."""

    def tasks(self, name: str) -> list[Task]:
        """Return the attempts to run replicas of a function, the newest first."""

    def create(self, spec: FunctionSpec) -> None:
        """Deploy a new function; BadRequest when there is one of this name or a secret is missing."""

    def update(self, spec: FunctionSpec) -> None:
        """Deploy a function anew, replica by replica; NotFound when there is none of this name."""

    def scale(self, name: str, replicas: int) -> None:
        """Set how many replicas of a function there are to be."""

    def remove(self, name: str) -> None:
        """Remove a function."""

    def changes(self) -> Iterator[None]:
        """Yield at every change of a service, for ever; the first time at once."""


class EngineSwarm:
    """The Swarm that the engine of this manager belongs to.

    Args:
        client: the engine.
        network: name of the overlay network that functions are attached to.
        registry_config: file with the credentials of registries, in the format of Docker's `config.json`.
    """

    def __init__(
        self, client: docker.DockerClient, network: str, registry_config: Path | None = None
    ) -> None:
        self._client = client
        self._api: Any = client.api
        self._network = network
        if registry_config is not None:
            self._api.reload_config(str(registry_config))

    def functions(self) -> list[Function]:
        """Return every function, by name."""
        with _translated():
            services = self._api.services(filters={"label": LABEL}, status=True)
        functions = [read_function(service) for service in services if is_function(service)]
        return sorted(functions, key=lambda function: function.spec.name)

    def function(self, name: str) -> Function:
        """Return one function.

        Raises:
            NotFound: there is none of exactly this name.
        """
        return read_function(self._service(name))

    def tasks(self, name: str) -> list[Task]:
        """Return the attempts to run replicas of a function, the newest first."""
        with _translated():
            tasks = self._api.tasks(filters={"service": name})
        return sorted((read_task(task) for task in tasks), key=lambda task: task.changed_at, reverse=True)

    def create(self, spec: FunctionSpec) -> None:
        """Deploy a new function.

        Raises:
            BadRequest: there is one of this name, a secret is missing, or Swarm refuses the service.
        """
        document = self._document(spec, spec.scale_min)
        with _translated(conflict=f"Deployment error: there is a service named {spec.name} already."):
            self._api.create_service(document["TaskTemplate"], name=spec.name, **_keywords(document))

    def update(self, spec: FunctionSpec) -> None:
        """Deploy a function anew, replica by replica; the number of replicas stays within its bounds.

        Raises:
            NotFound: there is none of this name.
            BadRequest: a secret is missing, or Swarm refuses the service.
        """
        self._change(spec.name, lambda current: self._updated(spec, current))

    def scale(self, name: str, replicas: int) -> None:
        """Set how many replicas of a function there are to be.

        Raises:
            NotFound: there is no such function.
        """
        self._change(name, lambda current: {**current, "Mode": {"Replicated": {"Replicas": replicas}}})

    def remove(self, name: str) -> None:
        """Remove a function.

        Raises:
            NotFound: there is no such function.
        """
        service = self._service(name)
        with _translated(missing=_no_such(name)):
            self._api.remove_service(service["ID"])

    def changes(self) -> Iterator[None]:
        """Yield at every change of a service, for ever; the first time at once.

        Losing the engine is a change as well: the first time that it answers again.
        """
        pause_s = 0.1
        while True:
            try:
                with _translated():
                    events = self._client.events(filters={"type": "service"}, decode=True)
                    yield
                    pause_s = 0.1
                    for _ in events:
                        yield
            except faults.Fault as exc:
                log.warning("The engine's events are interrupted: %s", exc)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)

    def _updated(self, spec: FunctionSpec, current: Mapping[str, Any]) -> dict[str, Any]:
        replicas = current["Mode"]["Replicated"].get("Replicas", 0)
        return self._document(spec, spec.replicas_after_update(replicas))

    def _document(self, spec: FunctionSpec, replicas: int) -> dict[str, Any]:
        return service_spec(
            spec, replicas=replicas, network=self._network, secret_ids=self._secret_ids(spec.secrets)
        )

    def _secret_ids(self, names: tuple[str, ...]) -> dict[str, str]:
        if not names:
            return {}
        owner = [f"{key}={value}" for key, value in SECRET_OWNER.items()]
        with _translated():
            secrets = self._api.secrets(filters={"label": owner})
        known = {secret["Spec"]["Name"]: secret["ID"] for secret in secrets}
        missing = sorted(set(names) - known.keys())
        if missing:
            raise faults.BadRequest(f"Deployment error: no such secret: {', '.join(missing)}.")
        return {name: known[name] for name in names}

    def _service(self, name: str) -> dict[str, Any]:
        # Swarm's filter matches parts of names.
        with _translated():
            services = self._api.services(filters={"name": name}, status=True)
        for service in services:
            if service["Spec"]["Name"] == name and is_function(service):
                return dict(service)
        raise faults.NotFound(_no_such(name))

    def _change(self, name: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Write a changed service, again from the start when somebody else was faster."""
        for _ in range(_ATTEMPTS):
            service = self._service(name)
            document = change(service["Spec"])
            try:
                with _translated(missing=_no_such(name)):
                    self._api.update_service(
                        service["ID"],
                        service["Version"]["Index"],
                        task_template=document["TaskTemplate"],
                        name=name,
                        **_keywords(document),
                    )
            except faults.Conflict:
                continue
            return
        raise faults.Conflict(f"{name} is being changed by others; {_ATTEMPTS} attempts were overtaken.")


def _keywords(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "labels": document["Labels"],
        "mode": document["Mode"],
        "update_config": document["UpdateConfig"],
        "rollback_config": document["RollbackConfig"],
        "endpoint_spec": document["EndpointSpec"],
    }


def _no_such(name: str) -> str:
    return f"No such service found: {name}."


@contextmanager
def _translated(missing: str = "", conflict: str = "") -> Iterator[None]:
    """Turn the SDK's exceptions into faults of the gateway."""
    try:
        yield
    except docker.errors.APIError as exc:
        raise _fault(exc, missing, conflict) from exc
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
    ) as exc:
        raise faults.Unavailable(f"The engine of this manager does not answer: {exc}.") from exc


def _fault(exc: docker.errors.APIError, missing: str, conflict: str) -> faults.Fault:
    explanation = str(exc.explanation or exc)
    status = exc.status_code
    if _OUT_OF_SEQUENCE in explanation:
        return faults.Conflict(explanation)
    if status == 404 and missing:
        return faults.NotFound(missing)
    if status == 409 and conflict:
        return faults.BadRequest(conflict)
    if status == 400:
        return faults.BadRequest(f"Deployment error: {explanation}")
    if status == 503:
        return faults.Unavailable(f"The Swarm cannot answer: {explanation}")
    return faults.Fault(f"The engine refuses: {explanation}")
