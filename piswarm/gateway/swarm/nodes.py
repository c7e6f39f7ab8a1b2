"""The nodes of the cluster."""

from __future__ import annotations

from typing import Any

import docker

from piswarm.gateway.node import Node, read_node
from piswarm.gateway.swarm.engine import translated


class EngineNodes:
    """Nodes, through the engine.

    Args:
        client: the engine.
    """

    def __init__(self, client: docker.DockerClient) -> None:
        self._api: Any = client.api

    def all(self) -> list[Node]:
        """Return every node, by name."""
        with translated():
            documents = self._api.nodes()
        return sorted((read_node(document) for document in documents), key=lambda node: node.name)
