"""The functions, as services of the Swarm that the engine of this manager belongs to."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import docker

from piswarm.gateway import faults
from piswarm.gateway.admission import must_be_able_to_run, unfit_architectures
from piswarm.gateway.function import Function, FunctionSpec
from piswarm.gateway.service_spec import needs_tasks, read_function, service_spec, tells_about
from piswarm.gateway.swarm.engine import translated
from piswarm.gateway.swarm.images import EngineImages
from piswarm.gateway.swarm.nodes import EngineNodes
from piswarm.gateway.swarm.secrets import EngineSecrets
from piswarm.gateway.swarm.services import Document, Services
from piswarm.gateway.tasks import Replicas, Task, read_task, running_addresses, trouble

_LONGEST_PAUSE_S = 5.0

log = logging.getLogger(__name__)


class EngineFunctions:
    """Functions as Swarm services.

    Args:
        client: the engine.
        services: the functions' services.
        secrets: the secrets that functions may use.
        images: what registries have.
        nodes: the nodes that replicas run on.
        network: name of the overlay network that functions are attached to.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        services: Services,
        secrets: EngineSecrets,
        images: EngineImages,
        nodes: EngineNodes,
        network: str,
    ) -> None:
        self._client = client
        self._api: Any = client.api
        self._services = services
        self._secrets = secrets
        self._images = images
        self._nodes = nodes
        self._network = network

    def all(self) -> list[Function]:
        """Return every function, by name."""
        services = self._services.all()
        tasks = self._tasks_of([service for service in services if needs_tasks(service)])
        functions = [read_function(service, tasks.get(service["ID"], ())) for service in services]
        return sorted(functions, key=lambda function: function.spec.name)

    def one(self, name: str) -> Function:
        """Return one function.

        Raises:
            NotFound: there is none of exactly this name.
        """
        service = self._services.one(name)
        tasks = self._tasks_of([service] if needs_tasks(service) else [])
        return read_function(service, tasks.get(service["ID"], ()))

    def replicas(self, name: str) -> Replicas:
        """Return what there is of a function's replicas.

        Raises:
            NotFound: there is no such function.
        """
        service = self._services.one(name)
        documents = self._task_documents([service])
        return Replicas(
            wanted=read_function(service).replicas,
            running=running_addresses(documents, self._network),
            trouble=trouble(_telling(documents, [service])),
        )

    def create(self, spec: FunctionSpec) -> None:
        """Deploy a new function.

        Raises:
            BadRequest: there is one of this name, no node can run it, its image cannot be had, a secret is
                missing, or Swarm refuses the service.
        """
        try:
            self._services.create(self._document(spec, spec.scale_min))
        except faults.Conflict as exc:
            raise faults.BadRequest(f"Deployment error: {exc}") from exc

    def update(self, spec: FunctionSpec) -> None:
        """Deploy a function anew, replica by replica; the number of replicas stays within its bounds.

        Raises:
            NotFound: there is none of this name.
            BadRequest: as in `create`.
        """

        def updated(current: Document) -> Document:
            replicas = current["Mode"]["Replicated"].get("Replicas", 0)
            return self._document(spec, spec.replicas_after_update(replicas))

        self._services.change(spec.name, updated)

    def scale(self, name: str, replicas: int) -> None:
        """Set how many replicas of a function there are to be.

        Raises:
            NotFound: there is no such function.
        """
        self._services.change(
            name, lambda current: {**current, "Mode": {"Replicated": {"Replicas": replicas}}}
        )

    def remove(self, name: str) -> None:
        """Remove a function.

        Raises:
            NotFound: there is no such function.
        """
        self._services.remove(name)

    def changes(self) -> Iterator[None]:
        """Yield at every change of a service, for ever; the first time at once.

        Losing the engine is a change as well: the first time that it answers again.
        """
        pause_s = 0.1
        while True:
            try:
                with translated():
                    events = self._client.events(filters={"type": "service"}, decode=True)
                    yield
                    pause_s = 0.1
                    for _ in events:
                        yield
            except faults.Fault as exc:
                log.warning("The engine's events are interrupted: %s", exc)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _document(self, spec: FunctionSpec, replicas: int) -> Document:
        """Return the service that runs `spec`, from the very image that its registry has now."""
        image = self._images.inspect(spec.image)
        must_be_able_to_run(spec, image, self._nodes.all())
        return service_spec(
            replace(spec, image=image.pin(spec.image)) if image else spec,
            replicas=replicas,
            network=self._network,
            secrets=self._secrets.ids(spec.secrets),
            avoid=unfit_architectures(image),
        )

    def _tasks_of(self, services: Sequence[Document]) -> dict[str, list[Task]]:
        """Return the tasks that tell about each service, by the service's id, the newest first."""
        telling = _telling(self._task_documents(services), services)
        return {
            service["ID"]: [task for task in telling if task.service_id == service["ID"]]
            for service in services
        }

    def _task_documents(self, services: Sequence[Document]) -> list[Document]:
        if not services:
            return []
        with translated():
            documents: list[Document] = self._api.tasks(
                filters={"service": [service["ID"] for service in services]}
            )
        return documents


def _telling(documents: Iterable[Document], services: Iterable[Document]) -> list[Task]:
    """Return the tasks that tell about what their services are now, the newest first."""
    by_id = {service["ID"]: service for service in services}
    telling = [read_task(one) for one in documents if tells_about(one, by_id[one["ServiceID"]])]
    return sorted(telling, key=lambda task: task.changed_at, reverse=True)
