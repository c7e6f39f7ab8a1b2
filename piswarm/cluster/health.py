"""What a living cluster's state says: quorum, certificates, clocks, services and ways between nodes.

Pure: observations in, findings out; `checks` does the same for single nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from piswarm.cluster.facts import Facts
from piswarm.cluster.finding import FAULT, OK, WARNING, Finding
from piswarm.cluster.mesh import Gap
from piswarm.cluster.node_checks import MAX_CLOCK_OFFSET_S
from piswarm.cluster.plan import SwarmMember, SwarmView

CERTIFICATE_WARNING_DAYS = 30
_DAY_S = 24 * 3600


def quorum_after_loss(managers: int) -> int:
    """Return how many of `managers` managers may fail before the Swarm can decide nothing any more."""
    return (managers - 1) // 2


def check_members(view: SwarmView) -> list[Finding]:
    """Check that all members are up and that the managers keep their quorum."""
    findings = [
        Finding(
            FAULT,
            one.hostname,
            "member",
            f"the Swarm sees it as {one.condition}.",
            "See that it is on and on the network; after 'node remove' of an old entry, run 'piswarm init'.",
        )
        for one in view.members.values()
        if not one.up
    ]
    return [*findings, _quorum([one for one in view.members.values() if one.role == "manager"])]


def _quorum(managers: Sequence[SwarmMember]) -> Finding:
    up = sum(one.up for one in managers)
    spare = quorum_after_loss(len(managers)) - (len(managers) - up)
    told = f"{up} of {len(managers)} managers are up"
    if spare < 0:
        return Finding(
            FAULT,
            "",
            "quorum",
            f"{told}: the Swarm can decide nothing.",
            "Bring a manager back before all else.",
        )
    if spare == 0 and len(managers) > 1:
        return Finding(
            WARNING,
            "",
            "quorum",
            f"{told}: the loss of one more would stop all decisions.",
            "Bring managers back, or have an odd number of them with 'piswarm init --managers 3'.",
        )
    return Finding(OK, "", "quorum", f"{told}; {spare} more may fail.")


def check_certificates(facts: Mapping[str, Facts], now_s: float) -> list[Finding]:
    """Check that no node's Swarm certificate ends soon; it is renewed by itself only while the node is on."""
    findings = []
    for node, one in facts.items():
        days = (one.certificate_until - now_s) / _DAY_S
        if one.certificate_until and days < CERTIFICATE_WARNING_DAYS:
            ended = days < 0
            findings.append(
                Finding(
                    FAULT if ended else WARNING,
                    node,
                    "certificate",
                    f"its Swarm certificate {'has ended' if ended else f'ends in {days:.0f} days'}.",
                    "Leave it on for a day: it renews itself. If it has ended, remove the node and add it again.",
                )
            )
    return findings


def check_clocks(facts: Mapping[str, Facts]) -> list[Finding]:
    """Check that the nodes' clocks agree with each other."""
    if len(facts) < 2:
        return []
    ahead = max(facts, key=lambda node: facts[node].clock_offset_s)
    behind = min(facts, key=lambda node: facts[node].clock_offset_s)
    apart = facts[ahead].clock_offset_s - facts[behind].clock_offset_s
    if apart <= MAX_CLOCK_OFFSET_S:
        return []
    return [
        Finding(
            WARNING,
            "",
            "clocks",
            f"the clocks of {ahead} and {behind} are {apart:.0f} s apart.",
            "Run 'sudo timedatectl set-ntp true' on both.",
        )
    ]


def check_ways(gaps: Sequence[Gap]) -> list[Finding]:
    """Tell each direction between nodes that does not work."""
    return [
        Finding(
            FAULT,
            gap.source,
            "reachability",
            f"it does not reach {gap.target} on port {gap.port} ({gap.observed}).",
            f"Open {gap.port} for the other nodes on {gap.target}, and on what is between them.",
        )
        for gap in gaps
    ]


def check_services(services: Mapping[str, tuple[int, int]]) -> list[Finding]:
    """Check that all services run as many tasks as wanted."""
    return [
        Finding(
            FAULT,
            "",
            "service",
            f"{name} runs {running} of {wanted} tasks.",
            f"See 'docker service ps --no-trunc {name}' on a manager.",
        )
        for name, (running, wanted) in services.items()
        if running < wanted
    ]
