"""The story of `piswarm init`: observe, check, plan, show, apply, verify, record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from piswarm.cluster import mesh, stack, swarm
from piswarm.cluster.access import open_nodes
from piswarm.cluster.apply import apply_plan
from piswarm.cluster.converge import wait_for_gateway, wait_for_service
from piswarm.cluster.engine import engine_of
from piswarm.cluster.finding import Finding
from piswarm.cluster.fleet import Fleet
from piswarm.cluster.inventory import PLATFORMS, REGISTRY, Cluster, NodeRecord, save_cluster
from piswarm.cluster.observe import Observation, check, find_nodes, observe
from piswarm.cluster.plan import Plan, Wish, nodes_for_images, plan_cluster
from piswarm.cluster.site import InitOptions, Site, open_site
from piswarm.console import Console
from piswarm.errors import PartialError, PiswarmError
from piswarm.settings import Settings


@dataclass(frozen=True)
class InitResult:
    """What came of `piswarm init`.

    Attributes:
        plan: what was to be done.
        findings: what the checks found.
        cluster: the cluster as recorded; None after a dry run.
        changed: whether anything was done.
    """

    plan: Plan
    findings: tuple[Finding, ...]
    cluster: Cluster | None
    changed: bool


def initialise(options: InitOptions, settings: Settings, console: Console) -> InitResult:
    """Make a cluster of bare nodes, or bring one back into its wished state.

    Raises:
        DiscoveryError: no node was found.
        ConnectError: no node can be reached or all refuse the login.
        ProvisionError: a node has a fault that must be mended first, or the first could not be provisioned.
        PartialError: some nodes are done and some are not.
        SwarmError: the Swarm, the registry or the gateway did not become healthy.
        UsageError: an answer is needed and nobody can be asked.
    """
    options = options.completed(settings)
    options.check()
    sightings = find_nodes(options, settings, console)
    with (
        open_site(options, settings, console) as site,
        open_nodes(sightings, site.login, site.ask_password) as entries,
    ):
        seen = observe(site, entries)
        findings = check(site, seen)
        plan, release = make_plan(site, seen)
        _show(plan, console)
        if options.dry_run:
            return InitResult(plan, tuple(findings), None, changed=False)
        cluster = _cluster(site, plan, release, seen)
        if plan.steps:
            _agree(plan, site)
        options.record(site.directory)
        if plan.steps:
            fleet = _fleet(site, plan, seen)
            apply_plan(site, plan, cluster, release, fleet)
            _verify(release, plan, cluster, fleet, console)
        save_cluster(settings, cluster)
        missing = {node: error.message for node, error in seen.unreachable.items()}
        _all_or_partial(site, missing | (fleet.failures if plan.steps else {}))
        return InitResult(plan, tuple(findings), cluster, changed=bool(plan.steps))


def make_plan(site: Site, seen: Observation) -> tuple[Plan, stack.Release]:
    """Return the plan for what was seen, and the release that its last step would start."""
    options = site.options
    wish = Wish(options.cluster, options.managers, site.recipe(), release="", image_arch=options.image_arch)
    builder = plan_cluster(wish, seen.nodes, seen.swarm).nodes[0]
    release = site.release_for(options.image_arch or builder.facts.arch)
    return plan_cluster(replace(wish, release=release.digest), seen.nodes, seen.swarm), release


def _show(plan: Plan, console: Console) -> None:
    for warning in plan.warnings:
        console.warn(warning)
    if not plan.steps:
        console.note("Nothing to change.")
        return
    console.note(f"The plan ({len(plan.steps)} step{'s' if len(plan.steps) > 1 else ''}):")
    for step in plan.steps:
        console.note(f"  {step.text}", step.node)


def _agree(plan: Plan, site: Site) -> None:
    count = len(plan.nodes)
    if not site.options.yes and not site.console.confirm(
        f"Do this on {count} node{'s' if count > 1 else ''}?"
    ):
        raise PiswarmError("Nothing was changed.", "Say 'y', or give --yes, to go on.")


def _fleet(site: Site, plan: Plan, seen: Observation) -> Fleet:
    by_address = {one.address: entry.connection for one, entry in zip(seen.nodes, seen.entries, strict=True)}
    connections = {node.name: by_address[node.address] for node in plan.nodes}
    for name, connection in connections.items():
        connection.node = name
    return Fleet(connections, plan.nodes[0].name, site.console)


def _verify(release: stack.Release, plan: Plan, cluster: Cluster, fleet: Fleet, console: Console) -> None:
    facts = {node.name: node.facts for node in plan.nodes if node.name in fleet.healthy}
    able = nodes_for_images(facts, cluster.image_arch)
    manager = fleet[cluster.manager.name]
    with engine_of(manager) as engine:
        with console.step("Gateway answers"):
            for node in cluster.managers:
                if node.name in fleet.healthy:
                    wait_for_gateway(node.address)
            wait_for_service(manager, engine, f"{swarm.STACK}_gateway", release.digest, console)
        if len(able) < len(facts):
            left_out = ", ".join(sorted(facts.keys() - set(able)))
            console.note(
                f"The overlay network is not tried on {left_out}: the cluster's images do not run there."
            )
        if len(able) < 2:
            return
        with console.step("Nodes reach each other over the overlay network"):
            engine.use_registry(REGISTRY, *cluster.registry_credentials)
            mesh.raise_gaps(
                mesh.overlay_gaps(engine, [fleet[node] for node in able], swarm.function_base_image(engine))
            )


def _cluster(site: Site, plan: Plan, release: stack.Release, seen: Observation) -> Cluster:
    """Return the record: the planned nodes, and those of the Swarm that did not answer this time."""
    planned = tuple(
        NodeRecord(
            node.name, node.address, node.role, node.facts.arch, node.facts.model, node.facts.memory_mb
        )
        for node in plan.nodes
    )
    known = {node.facts.swarm.node_id for node in plan.nodes} | {node.name for node in plan.nodes}
    absent = tuple(
        NodeRecord(one.hostname, one.address, one.role, one.labels.get("piswarm.arch", ""))
        for one in (seen.swarm.members.values() if seen.swarm else ())
        if not known & {one.node_id, one.hostname}
    )
    arch = next(arch for arch, platform in PLATFORMS.items() if platform == release.platform)
    return Cluster(site.options.cluster, site.directory, site.options.user, planned + absent, arch)


def _all_or_partial(site: Site, failures: dict[str, str]) -> None:
    if failures:
        told = "\n  ".join(failures.values())
        raise PartialError(
            f"The cluster runs, but without {', '.join(failures)}:\n  {told}",
            "Mend what it says, then run 'piswarm init' again; it finishes the rest. "
            f"Ansible's log: {site.machines_log}.",
        )
