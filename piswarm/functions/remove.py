"""`piswarm remove`: a function leaves the cluster, and with it its history and its images."""

from __future__ import annotations

from piswarm.functions import history
from piswarm.functions.site import Site


def remove_function(site: Site, function: str) -> None:
    """Take a function out of the cluster.

    Args:
        site: where.
        function: the function's name.

    Raises:
        GatewayError: there is no such function.
        DeployError: somebody deploys it, and did not end in time.
    """
    with site.deploying(function):
        site.gateway.remove(function)
        with site.engine() as engine:
            history.forget(engine, function)
            site.make_room(engine, function, kept=())
