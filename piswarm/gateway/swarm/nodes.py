"""The nodes of the cluster."""

from __future__ import annotations

from collections import Counter
from typing import Any

import docker

from piswarm.gateway.function import LABEL
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
            tasks = self._api.tasks(filters={"label": LABEL, "desired-state": "running"})
        placed = Counter(task.get("NodeID", "") for task in tasks)
        nodes = (read_node(document, placed[document["ID"]]) for document in documents)
        return sorted(nodes, key=lambda node: node.name)
