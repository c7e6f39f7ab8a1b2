"""Jobs that deploy what was pushed, through the engine."""

from __future__ import annotations

import base64
import json
from typing import Any

import docker

from piswarm.gateway import faults
from piswarm.gateway.delivery import DEPLOYER_LABEL, Delivery
from piswarm.gateway.deployer_job import FUNCTION_LABEL, Deployer, has_ended, job_spec
from piswarm.gateway.swarm.engine import translated

_GATEWAY = "piswarm_gateway"
"""The gateway's own service, which mounts the secrets that the deployer needs."""


class EngineDeployer:
    """Starts a job for each push, and removes those that have ended when the next one comes.

    Args:
        client: the engine.
    """

    def __init__(self, client: docker.DockerClient) -> None:
        self._api: Any = client.api

    def start(self, delivery: Delivery) -> bool:
        """Have what was pushed deployed.

        Returns:
            Whether a job was started; False when one for this very commit has not ended yet.

        Raises:
            Unavailable: the cluster has no deployer.
        """
        self._remove_ended()
        document = job_spec(self._deployer(), delivery, self._secrets())
        try:
            with translated(conflict=f"{delivery.commit} is being deployed already."):
                self._api.create_service(
                    document["TaskTemplate"],
                    name=document["Name"],
                    labels=document["Labels"],
                    mode=document["Mode"],
                )
        except faults.Conflict:
            return False
        return True

    def _deployer(self) -> Deployer:
        with translated():
            configs = self._api.configs(filters={"label": [DEPLOYER_LABEL]})
        if not configs:
            raise faults.Unavailable("The cluster has no deployer; 'piswarm hook' makes it.")
        newest = max(configs, key=lambda config: str(config["CreatedAt"]))
        return Deployer(**json.loads(base64.b64decode(newest["Spec"]["Data"])))

    def _secrets(self) -> list[dict[str, Any]]:
        with translated(missing=f"There is no service {_GATEWAY}."):
            service = self._api.inspect_service(_GATEWAY)
        return list(service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Secrets") or [])

    def _remove_ended(self) -> None:
        with translated():
            for service in self._api.services(filters={"label": FUNCTION_LABEL}):
                if has_ended(self._api.tasks(filters={"service": service["ID"]})):
                    self._remove(service["ID"])

    def _remove(self, service_id: str) -> None:
        try:
            with translated(missing="Another manager's gateway was faster."):
                self._api.remove_service(service_id)
        except faults.NotFound:
            return
