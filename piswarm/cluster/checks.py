"""Facts become findings: what stands in the way of a healthy cluster, and what to do about it.

Pure: facts in, findings out. `node_checks` looks at one node; what only several of them show is here.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from piswarm.cluster.facts import Facts
from piswarm.cluster.finding import FAULT, OK, WARNING, Finding
from piswarm.cluster.node_checks import check_manager, check_node, main_addresses


def check_nodes(
    facts: Mapping[str, Facts],
    *,
    cluster: str,
    swarm_id: str = "",
    swarm_members: Sequence[str] = (),
    managers: Collection[str] = (),
) -> list[Finding]:
    """Check all nodes, each by itself and all together.

    Args:
        facts: what the probe saw, by name of the node.
        cluster: name of the cluster that they are to form.
        swarm_id: ID of the cluster's Swarm, where there is one already.
        swarm_members: IDs of the nodes in that Swarm.
        managers: names of the nodes that are managers, of which more is asked.

    Returns:
        All findings of all nodes, faults first.
    """
    findings = [found for node, one in facts.items() for found in check_node(node, one)]
    findings += [
        found
        for node, one in facts.items()
        if (found := _foreign_swarm(node, one, cluster, swarm_id, swarm_members))
    ]
    findings += [found for node in managers if node in facts for found in check_manager(node, facts[node])]
    for together in _TOGETHER:
        findings += together(facts)
    order = {FAULT: 0, WARNING: 1, OK: 2}
    return sorted(findings, key=lambda found: order[found.level])


def _foreign_swarm(
    node: str, facts: Facts, cluster: str, swarm_id: str, members: Sequence[str]
) -> Finding | None:
    if facts.swarm.state == "inactive" or facts.swarm.node_id in members:
        return None
    marked = facts.marker.get("cluster")
    if marked == cluster and (not swarm_id or facts.swarm.cluster_id in {"", swarm_id}):
        return None
    whose = f"the cluster '{marked}'" if marked and marked != cluster else "another Swarm"
    return Finding(
        FAULT,
        node,
        "foreign-swarm",
        f"it is a member of {whose}.",
        "If that Swarm is not needed any more, run 'docker swarm leave --force' there, or leave this node out.",
    )


def _double_names(facts: Mapping[str, Facts]) -> list[Finding]:
    counts = Counter(one.hostname for one in facts.values())
    return [
        Finding(
            WARNING,
            node,
            "host-name",
            f"it is called '{one.hostname}', which is another node's name, too.",
            f"init names it '{node}'.",
        )
        for node, one in facts.items()
        if counts[one.hostname] > 1 and one.hostname != node
    ]


def _double_machine_ids(facts: Mapping[str, Facts]) -> list[Finding]:
    counts = Counter(one.machine_id for one in facts.values() if one.machine_id)
    return [
        Finding(
            WARNING,
            node,
            "machine-id",
            "another node has the same machine ID: the cards were copied after the first boot.",
            "Run 'sudo rm -f /etc/machine-id /var/lib/dbus/machine-id && sudo systemd-machine-id-setup' there "
            "and reboot it.",
        )
        for node, one in facts.items()
        if counts[one.machine_id] > 1
    ]


def _two_swarms(facts: Mapping[str, Facts]) -> list[Finding]:
    swarms: dict[str, list[str]] = {}
    for node, one in facts.items():
        if one.swarm.is_manager and one.swarm.cluster_id:
            swarms.setdefault(one.swarm.cluster_id, []).append(node)
    if len(swarms) < 2:
        return []
    told = "; ".join(f"{_listed(nodes)} of Swarm {swarm[:12]}" for swarm, nodes in swarms.items())
    return [
        Finding(
            FAULT,
            "",
            "two-swarms",
            f"There are managers of {len(swarms)} different Swarms: {told}.",
            "Run 'docker swarm leave --force' on those whose Swarm is not needed, or leave them out.",
        )
    ]


def _time_sync(facts: Mapping[str, Facts]) -> list[Finding]:
    # One finding for all: what keeps one from the time, keeps most often all from it.
    alone = [node for node, one in facts.items() if not one.ntp_synchronized]
    if not alone:
        return []
    return [
        Finding(
            WARNING,
            "",
            "time-sync",
            f"No time server (NTP) keeps the clock of {_listed(alone)} right; "
            "certificates fail when clocks are far off.",
            "Run 'sudo timedatectl set-ntp true' there; the router must let UDP port 123 out.",
        )
    ]


def _subnets(facts: Mapping[str, Facts]) -> list[Finding]:
    networks: dict[str, list[str]] = {}
    for node, one in facts.items():
        for address in main_addresses(one)[:1]:
            network = ipaddress.ip_network((address.address, address.prefix), strict=False)
            networks.setdefault(str(network), []).append(node)
    if len(networks) < 2:
        return []
    told = "; ".join(f"{_listed(nodes)} on {network}" for network, nodes in networks.items())
    return [
        Finding(
            WARNING,
            "",
            "subnets",
            f"The nodes are on different networks: {told}.",
            "Best have all on one; else what is between must let TCP 2377 and 7946, UDP 7946 and 4789 through.",
        )
    ]


_TOGETHER: tuple[Callable[[Mapping[str, Facts]], list[Finding]], ...] = (
    _double_names, _double_machine_ids, _two_swarms, _time_sync, _subnets,
)  # fmt: skip


def _listed(nodes: Sequence[str]) -> str:
    return nodes[0] if len(nodes) == 1 else f"{', '.join(nodes[:-1])} and {nodes[-1]}"
