"""Seeing what is there: which nodes take part, what each of them is, and the Swarm that they form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from piswarm.cluster import checks, swarm
from piswarm.cluster.access import Entry
from piswarm.cluster.connect import Connection
from piswarm.cluster.discover import Sighting, default_interfaces, discover, merge_sightings
from piswarm.cluster.engine import engine_of
from piswarm.cluster.facts import Facts
from piswarm.cluster.finding import FAULT, OK, WARNING, Finding, faults
from piswarm.cluster.inventory import read_inventory
from piswarm.cluster.plan import Observed, SwarmView, unique_names
from piswarm.cluster.probe import on_all, probe
from piswarm.cluster.site import InitOptions, Site
from piswarm.console import Console
from piswarm.errors import DiscoveryError, PiswarmError, ProvisionError, UsageError
from piswarm.settings import Settings

MEMBER = "recorded"
_CHOICE = re.compile(r"([0-9]+)(?:-([0-9]+))?")


@dataclass(frozen=True)
class Observation:
    """All that was seen before anything is changed.

    Attributes:
        nodes: the nodes that answered.
        entries: their connections, in the same order.
        unreachable: why each of the other nodes could not be entered, by name.
        swarm: the cluster's Swarm, where there is one.
    """

    nodes: tuple[Observed, ...]
    entries: tuple[Entry, ...]
    unreachable: dict[str, PiswarmError]
    swarm: SwarmView | None


def find_nodes(options: InitOptions, settings: Settings, console: Console) -> list[Sighting]:
    """Return the nodes that take part: those named, or those found and chosen, and the cluster's own.

    Raises:
        DiscoveryError: there are none.
        UsageError: the user has to choose and cannot be asked.
    """
    if options.nodes:
        return [Sighting(name=node, addresses=(node,), seen_by=("given",)) for node in options.nodes]
    interfaces = options.interfaces or tuple(default_interfaces())
    with console.step(f"Looking for nodes on {', '.join(interfaces)}"):
        found = merge_sightings([*discover(interfaces), *_recorded(options, settings)])
    if not found:
        raise DiscoveryError(
            f"No node was found on {', '.join(interfaces)}.",
            "See that the Pis are on, on this network and have SSH enabled; name them with --node ADDRESS.",
        )
    return _choose(found, options, console)


def observe(site: Site, entries: Sequence[Entry]) -> Observation:
    """Probe all nodes that let us in; ask for the sudo password where it turns out to be needed.

    Raises:
        PiswarmError: no node could be entered; the error is the first node's.
    """
    unreachable = {entry.connection.node: entry.error for entry in entries if entry.error}
    inside = [entry for entry in entries if not entry.error]
    for node, error in unreachable.items():
        site.console.fault(error.message, node)
    if not inside:
        raise _first(unreachable)
    with site.console.step(f"Probing {len(inside)} node{'s' if len(inside) > 1 else ''}"):
        results = on_all([entry.connection for entry in inside], probe)
        if _lacks_root(site, [result.value for result in results if result.value]):
            password = site.console.ask_secret("sudo password on the nodes", flag="--password-file")
            for entry in inside:
                entry.connection.login = replace(entry.connection.login, sudo_password=password)
            results = on_all([entry.connection for entry in inside], probe)
    unreachable |= {result.node: result.error for result in results if result.error}
    probed = [(entry, result.value) for entry, result in zip(inside, results, strict=True) if result.value]
    if not probed:
        raise _first(unreachable)
    observed = [
        Observed(_numeric_address(entry.connection, facts), facts, entry.knows_key) for entry, facts in probed
    ]
    inside = [entry for entry, _ in probed]
    return Observation(tuple(observed), tuple(inside), unreachable, _read_swarm(site, inside, observed))


def check(site: Site, seen: Observation) -> list[Finding]:
    """Show all findings of all nodes before anything is changed.

    Raises:
        ProvisionError: there are faults.
    """
    names = unique_names([one.facts.hostname for one in seen.nodes])
    findings = checks.check_nodes(
        dict(zip(names, (one.facts for one in seen.nodes), strict=True)),
        cluster=site.options.cluster,
        swarm_id=seen.swarm.cluster_id if seen.swarm else "",
        swarm_members=tuple(seen.swarm.members) if seen.swarm else (),
    )
    show_findings(findings, site.console)
    stopping = faults(findings)
    if stopping:
        nodes = ", ".join(dict.fromkeys(found.node for found in stopping if found.node)) or "the cluster"
        raise ProvisionError(
            f"{len(stopping)} fault{'s' if len(stopping) > 1 else ''} must be mended first ({nodes}); "
            "nothing was changed.",
            "Do what stands behind each fault above, or leave the node out by naming the others with --node.",
        )
    return findings


def show_findings(findings: Sequence[Finding], console: Console) -> None:
    """Show findings, each with its remedy."""
    show = {FAULT: console.fault, WARNING: console.warn, OK: console.done}
    for found in findings:
        show[found.level](f"{found.sentence}{f' {found.remedy}' if found.remedy else ''}", found.node)


def _recorded(options: InitOptions, settings: Settings) -> list[Sighting]:
    if options.cluster not in settings.known_clusters():
        return []
    cluster = read_inventory(options.cluster, settings.cluster_dir(options.cluster))
    return [
        Sighting(node.name, (node.address,), seen_by=(MEMBER,), cluster=cluster.name)
        for node in cluster.nodes
    ]


def _choose(found: Sequence[Sighting], options: InitOptions, console: Console) -> list[Sighting]:
    """Take the cluster's own nodes and the Raspberry Pis; let a person choose where there is one."""
    usual = usual_nodes(found, options.cluster)
    for number, one in enumerate(found, 1):
        kind = "Raspberry Pi" if one.is_raspberry_pi else "not known as a Raspberry Pi"
        kind = f"of cluster '{one.cluster}'" if one.cluster else kind
        console.note(f"{number:>2}  {one.address:<15}  {one.mac or '-':<17}  {kind}", one.name)
    if options.yes or options.dry_run:
        chosen = usual
    else:
        default = ",".join(str(number) for number, one in enumerate(found, 1) if one in usual)
        answer = console.ask("Which nodes", default=default, flag="--yes or --node")
        chosen = [found[i] for i in parse_choice(answer, len(found))]
    if not chosen:
        raise DiscoveryError(
            f"None of the {len(found)} nodes found is known as a Raspberry Pi that belongs to no cluster.",
            "Name those that are to take part with --node ADDRESS; 'piswarm reset' frees those of a cluster.",
        )
    return chosen


def usual_nodes(found: Sequence[Sighting], cluster: str) -> list[Sighting]:
    """Return the nodes that take part if nobody says otherwise: the cluster's own and free Raspberry Pis."""
    return [
        one
        for one in found
        if one.cluster == cluster or MEMBER in one.seen_by or (one.is_raspberry_pi and not one.cluster)
    ]


def parse_choice(answer: str, count: int) -> list[int]:
    """Return the indices that an answer such as `1,3-5` names, from 0.

    Raises:
        UsageError: it names something else than numbers from 1 to `count`.
    """
    chosen: list[int] = []
    for part in answer.replace(" ", ",").split(","):
        if not part:
            continue
        named = _CHOICE.fullmatch(part)
        first, last = (int(named[1]), int(named[2] or named[1])) if named else (0, 0)
        if not 1 <= first <= last <= count:
            raise UsageError(f"'{part}' is not among the numbers 1 to {count}.", "Answer for example 1,3-5.")
        chosen += range(first - 1, last)
    return list(dict.fromkeys(chosen))


def _lacks_root(site: Site, facts: Sequence[Facts]) -> bool:
    """Return whether a node that has to be provisioned wants a sudo password that we do not have."""
    recipe = site.recipe()
    return any(one.sudo == "asks" and one.marker.get("recipe") != recipe for one in facts)


def _numeric_address(connection: Connection, facts: Facts) -> str:
    """Return the node's address in numbers, also where the user gave a name."""
    own = [entry.address for entry in facts.addresses]
    if connection.address in own or not own:
        return connection.address
    peer = connection.peer_address()
    return peer if peer in own else own[0]


def _read_swarm(site: Site, entries: Sequence[Entry], observed: Sequence[Observed]) -> SwarmView | None:
    """Return the cluster's own Swarm as one of its managers sees it, if there is one."""
    for entry, one in zip(entries, observed, strict=True):
        ours = one.facts.marker.get("cluster") == site.options.cluster
        if ours and one.facts.swarm.is_manager and one.facts.swarm.state == "active":
            with engine_of(entry.connection) as engine:
                swarm.wait_for_leader(engine, lambda: site.console.note(swarm.ELECTION))
                return swarm.read_swarm(engine)
    return None


def _first(errors: dict[str, PiswarmError]) -> PiswarmError:
    return next(iter(errors.values()))
