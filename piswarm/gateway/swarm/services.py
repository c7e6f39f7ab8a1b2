"""The Swarm services that are functions: found by exact name, changed without overwriting others' changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import docker

from piswarm.gateway import faults
from piswarm.gateway.function import LABEL
from piswarm.gateway.service_spec import is_function
from piswarm.gateway.swarm.engine import translated

_ATTEMPTS = 5
Document = Mapping[str, Any]


class Services:
    """The functions' services, as the engine's documents.

    Args:
        client: the engine.
    """

    def __init__(self, client: docker.DockerClient) -> None:
        self._api: Any = client.api

    def all(self) -> list[Document]:
        """Return every function's service with its status."""
        with translated():
            services = self._api.services(filters={"label": LABEL}, status=True)
        return [service for service in services if is_function(service)]

    def one(self, name: str) -> Document:
        """Return the service of one function.

        Raises:
            NotFound: there is none of exactly this name (Swarm's own filter matches parts of names).
        """
        with translated():
            services: list[Document] = self._api.services(filters={"name": name}, status=True)
        for service in services:
            if service["Spec"]["Name"] == name and is_function(service):
                return service
        raise faults.NotFound(no_such(name))

    def create(self, document: Document) -> None:
        """Make a service.

        Raises:
            Conflict: there is one of this name.
            BadRequest: Swarm refuses it.
        """
        with translated(conflict=f"There is a service named {document['Name']} already."):
            self._api.create_service(document["TaskTemplate"], name=document["Name"], **_keywords(document))

    def change(self, name: str, change: Callable[[Document], Document]) -> None:
        """Write a service that `change` has changed, from the start again when somebody else was faster.

        Raises:
            NotFound: there is no such function.
            Conflict: others were faster every time.
        """
        for _ in range(_ATTEMPTS):
            service = self.one(name)
            document = change(service["Spec"])
            try:
                with translated(missing=no_such(name)):
                    self._api.update_service(
                        service["ID"],
                        service["Version"]["Index"],
                        task_template=document["TaskTemplate"],
                        name=name,
                        **_keywords(document),
                    )
            except faults.Overtaken:
                continue
            return
        raise faults.Conflict(f"{name} is being changed by others; {_ATTEMPTS} attempts were overtaken.")

    def remove(self, name: str) -> None:
        """Remove a service.

        Raises:
            NotFound: there is no such function.
        """
        service = self.one(name)
        with translated(missing=no_such(name)):
            self._api.remove_service(service["ID"])


def no_such(name: str) -> str:
    """Return what clients expect to read about a function that is not there."""
    return f"No such service found: {name}."


def _keywords(document: Document) -> dict[str, Any]:
    return {
        "labels": document["Labels"],
        "mode": document["Mode"],
        "update_config": document["UpdateConfig"],
        "rollback_config": document["RollbackConfig"],
        "endpoint_spec": document["EndpointSpec"],
    }
