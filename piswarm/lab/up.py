"""The story of `piswarm lab up`: image, network, nodes, and every node booted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network

from piswarm.console import Console
from piswarm.errors import LabError
from piswarm.lab import engine
from piswarm.lab.facts import lab_cache
from piswarm.lab.image import ensure_node_image
from piswarm.lab.names import Lab, node_names
from piswarm.lab.network import ensure_network, node_address, subnet_of
from piswarm.lab.node import CARD_HOSTNAME, NodeMaker, NodeSpec, find_confinement
from piswarm.lab.readiness import wait_until_booted
from piswarm.lab.resolver import read_name_servers
from piswarm.lab.status import LabStatus, read_status
from piswarm.settings import Settings


def bring_up(
    lab: Lab,
    settings: Settings,
    console: Console,
    *,
    nodes: int,
    same_names: bool = False,
    silent: bool = False,
) -> LabStatus:
    """Bring up a lab; what is there already stays as it is.

    Args:
        lab: which one.
        settings: where the cache is.
        console: told the progress.
        nodes: how many simulated Pis there are to be at least.
        same_names: call all of them `raspberrypi`, as cards flashed without a name are.
        silent: leave out the workstation announcement, as images did before May 2025.

    Returns:
        The lab as it is then.

    Raises:
        LabError: something could not be made, or a node did not boot in time.
    """
    _check_system()
    names = node_names(nodes)
    client = engine.connect()
    with console.step("Image of a freshly flashed Pi"):
        image = ensure_node_image(client, lab_cache(settings), console.progress)
    with console.step(f"{nodes} simulated Pis"):
        subnet = subnet_of(ensure_network(client, lab))
        maker = NodeMaker(client, lab, image, find_confinement(client, image, lab), read_name_servers())
        specs = plan_nodes(lab, names, subnet, same_names=same_names, silent=silent)

        def boot(spec: NodeSpec) -> None:
            wait_until_booted(maker.ensure(spec), spec.name, spec.address)
            console.done(f"booted, {spec.address}", spec.name)

        _in_parallel(boot, specs)
    return read_status(client, lab)


def plan_nodes(
    lab: Lab, names: Iterable[str], subnet: IPv4Network, *, same_names: bool, silent: bool
) -> list[NodeSpec]:
    """Return what each node is to be."""
    return [
        NodeSpec(
            name=name,
            hostname=CARD_HOSTNAME if same_names else name,
            address=str(node_address(subnet, number)),
            mac=lab.mac_address(name),
            silent=silent,
        )
        for number, name in enumerate(names, start=1)
    ]


def _check_system() -> None:
    if sys.platform != "linux":
        raise LabError(
            f"The lab needs Linux: elsewhere ({sys.platform}) Docker's networks are inside a virtual machine.",
            "Run piswarm in a Debian virtual machine to try it; real boards need no lab.",
        )


def _in_parallel(work: Callable[[NodeSpec], None], specs: list[NodeSpec]) -> None:
    """Do `work` for all nodes at once; all end before the first error is raised."""
    with ThreadPoolExecutor(max_workers=len(specs)) as pool:
        running = [pool.submit(work, spec) for spec in specs]
    for result in running:
        result.result()
