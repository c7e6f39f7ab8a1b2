"""The Swarm that the engine of this manager belongs to."""

from __future__ import annotations

import docker

from piswarm.gateway.settings import GatewaySettings
from piswarm.gateway.swarm import Swarm
from piswarm.gateway.swarm.deployer import EngineDeployer
from piswarm.gateway.swarm.engine import translated
from piswarm.gateway.swarm.functions import EngineFunctions
from piswarm.gateway.swarm.images import EngineImages
from piswarm.gateway.swarm.logs import EngineLogs
from piswarm.gateway.swarm.nodes import EngineNodes
from piswarm.gateway.swarm.secrets import EngineSecrets
from piswarm.gateway.swarm.services import Services

_TIMEOUT_S = 20


def connect(settings: GatewaySettings) -> Swarm:
    """Return the cluster that this manager belongs to.

    Raises:
        Unavailable: the engine does not answer.
    """
    with translated():
        client = docker.DockerClient(base_url=f"unix://{settings.engine_socket}", timeout=_TIMEOUT_S)
        version = client.api.api_version
    if settings.registry_config is not None:
        client.api.reload_config(str(settings.registry_config))
    services = Services(client)
    secrets = EngineSecrets(client, services)
    nodes = EngineNodes(client)
    functions = EngineFunctions(client, services, secrets, EngineImages(client), nodes, settings.network)
    logs = EngineLogs(settings.engine_socket, version, functions.one)
    return Swarm(functions, secrets, logs, nodes, EngineDeployer(client))
