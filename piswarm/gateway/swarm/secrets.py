"""The functions' secrets in the Swarm's store."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Iterable
from typing import Any

import docker

from piswarm.gateway import faults
from piswarm.gateway.secrets import NAME_LABEL, known_name, swarm_name
from piswarm.gateway.service_spec import repoint_secret, secret_ids_in
from piswarm.gateway.swarm.engine import OWNER, OWNER_LABEL, translated
from piswarm.gateway.swarm.services import Services

_LABELS = {OWNER_LABEL: OWNER}


class EngineSecrets:
    """Secrets that functions may use: those that bear the owner's label, never the cluster's own.

    Args:
        client: the engine.
        services: the functions' services, which refer to secrets.
    """

    def __init__(self, client: docker.DockerClient, services: Services) -> None:
        self._api: Any = client.api
        self._services = services

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted({known_name(secret) for secret in self._all()})

    def ids(self, names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return the engine's id and the Swarm's name of the newest value of each secret in `names`.

        Raises:
            BadRequest: some are missing; the message names them.
        """
        wanted = set(names)
        newest = {known_name(secret): secret for secret in self._all()} if wanted else {}
        missing = sorted(wanted - newest.keys())
        if missing:
            raise faults.BadRequest(f"Deployment error: no such secret: {', '.join(missing)}.")
        return {name: (newest[name]["ID"], newest[name]["Spec"]["Name"]) for name in wanted}

    def create(self, name: str, value: bytes) -> None:
        """Keep a new secret.

        Raises:
            Conflict: there is one of this name.
        """
        if name in self.names():
            raise faults.Conflict(f"There is a secret named {name} already.")
        self._keep(name, value)

    def update(self, name: str, value: bytes) -> None:
        """Replace a secret's value; the functions that use it are restarted one replica after the other.

        Raises:
            NotFound: there is no such secret.
        """
        former = self._values(name)
        secret_id, secret_name = self._keep(name, value)
        for service in self._services.all():
            if secret_ids_in(service["Spec"]) & {value["ID"] for value in former}:
                self._services.change(
                    service["Spec"]["Name"],
                    lambda document: repoint_secret(document, name, secret_id, secret_name),
                )
        self._forget_unused(former)

    def remove(self, name: str) -> None:
        """Forget a secret.

        Raises:
            NotFound: there is no such secret.
            Conflict: a function uses it.
        """
        values = self._values(name)
        used = {value["ID"] for value in values}
        users = [s["Spec"]["Name"] for s in self._services.all() if secret_ids_in(s["Spec"]) & used]
        if users:
            raise faults.Conflict(f"The secret {name} is used by {', '.join(sorted(users))}.")
        for value in values:
            with translated():
                self._api.remove_secret(value["ID"])

    def _all(self) -> list[dict[str, Any]]:
        """Return every value of every secret, the oldest first."""
        with translated():
            found = self._api.secrets(filters={"label": f"{OWNER_LABEL}={OWNER}"})
        return sorted(found, key=lambda secret: str(secret["CreatedAt"]))

    def _values(self, name: str) -> list[dict[str, Any]]:
        values = [secret for secret in self._all() if known_name(secret) == name]
        if not values:
            raise faults.NotFound(f"No such secret: {name}.")
        return values

    def _keep(self, name: str, value: bytes) -> tuple[str, str]:
        full_name = swarm_name(name, randomness.token_hex())
        with translated(conflict=f"There is a secret named {name} already."):
            created = self._api.create_secret(full_name, value, {**_LABELS, NAME_LABEL: name})
        return str(created["ID"]), full_name

    def _forget_unused(self, values: Iterable[dict[str, Any]]) -> None:
        """Remove values that no service refers to, neither now nor in what it would roll back to."""
        used = {
            secret_id
            for service in self._services.all()
            for document in (service["Spec"], service.get("PreviousSpec"))
            if document
            for secret_id in secret_ids_in(document)
        }
        for value in values:
            if value["ID"] not in used:
                with translated():
                    self._api.remove_secret(value["ID"])
