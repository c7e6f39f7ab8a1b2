"""The cluster and the gateway that a command speaks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piswarm.cli import context

if TYPE_CHECKING:
    from piswarm.cluster.inventory import Cluster
    from piswarm.functions.gateway import GatewayClient


def cluster() -> Cluster:
    """Return the cluster that `--cluster` names, or the one used last.

    Raises:
        ConfigError: there is none.
    """
    from piswarm.cluster.inventory import load_cluster  # noqa: PLC0415  (keeps --help quick)

    return load_cluster(context.settings(), context.options().cluster)


def gateway(of: Cluster | None = None) -> GatewayClient:
    """Return a client of a cluster's gateway (default: of the cluster that is used).

    Raises:
        ConfigError: there is no cluster.
    """
    from piswarm.functions.gateway import GatewayClient  # noqa: PLC0415  (keeps --help quick)

    chosen = of or cluster()
    return GatewayClient(chosen.gateway_url, *chosen.gateway_credentials)
