"""Doing what the plan says: keys, machines, Swarm, stack; a node that fails does not hold up the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piswarm.cluster import stack, swarm
from piswarm.cluster.access import install_key, switch_to_key
from piswarm.cluster.connect import Connection
from piswarm.cluster.engine import Engine, engine_of
from piswarm.cluster.fleet import Fleet
from piswarm.cluster.inventory import (
    REGISTRY,
    STATE_DIR,
    Cluster,
    inventory_document,
    save_cluster,
    write_file,
)
from piswarm.cluster.plan import (
    FORGET,
    JOIN,
    KEY,
    LABEL,
    PROMOTE,
    PROVISION,
    STACK,
    SWARM_INIT,
    Plan,
    PlannedNode,
)
from piswarm.cluster.provision import run_playbook
from piswarm.cluster.site import Site
from piswarm.errors import ProvisionError


def apply_plan(site: Site, plan: Plan, cluster: Cluster, release: stack.Release, fleet: Fleet) -> None:
    """Apply `plan`; what fails on a node other than the first is in `fleet.failures` afterwards.

    Args:
        site: the cluster's folder and trust.
        plan: what to do.
        cluster: the record that comes of it.
        release: what is to run on the Swarm.
        fleet: the nodes' connections.

    Raises:
        PiswarmError: the first manager failed, or the Swarm or its stack did not become healthy.
    """
    first = plan.nodes[0].name
    _install_keys(site, plan, fleet)
    _provision(site, plan, cluster, fleet)
    with engine_of(fleet[first]) as engine:
        _form_swarm(site, plan, fleet, engine)
    save_cluster(site.settings, cluster)
    if any(step.kind == STACK for step in plan.steps):
        stack.deploy_stack(fleet[first], release, site.console)


def _install_keys(site: Site, plan: Plan, fleet: Fleet) -> None:
    nodes = [node.name for node in plan.nodes_with(KEY)]
    if not nodes:
        return
    with site.console.step("Installing the cluster's SSH key"):
        fleet.on(nodes, lambda one: install_key(one, site.public_key))
        fleet.on(nodes, lambda one: switch_to_key(one, site.login_with_key))


def _provision(site: Site, plan: Plan, cluster: Cluster, fleet: Fleet) -> None:
    nodes = [node for node in plan.nodes_with(PROVISION) if node.name not in fleet.failures]
    if not nodes:
        return
    docker_config = site.directory / "docker-config.json"
    write_file(docker_config, stack.docker_config(site.credentials), 0o600)
    sudo_password = next((fleet[node.name].login.sudo_password for node in nodes), None)
    with site.console.step(f"Preparing {', '.join(node.name for node in nodes)} with Ansible"):
        failures = run_playbook(
            "machines.yml",
            _run_inventory(site, plan, cluster, nodes, docker_config),
            sudo_password=sudo_password,
            on_task=lambda node, task: site.console.progress(task, node),
            log_file=site.machines_log,
        ).failures
    for node, observed in failures.items():
        fleet.fail(
            node,
            ProvisionError(
                f"{node} could not be prepared: {observed}.",
                f"Ansible's log is in {site.machines_log}; mend it and run the command again.",
            ),
        )
    # The login user is in the group `docker` only from the next login on.
    fleet.on([node.name for node in nodes], lambda one: switch_to_key(one, site.login_with_key))


def _run_inventory(
    site: Site, plan: Plan, cluster: Cluster, nodes: Sequence[PlannedNode], docker_config: Path
) -> dict[str, object]:
    """Return the inventory of one run: the record's, cut to the nodes that need it, with what the roles want."""
    document = inventory_document(cluster)
    everything = document["all"]
    markers = {step.node: step.details["marker"] for step in plan.steps if step.kind == PROVISION}
    everything["hosts"] = {
        node.name: everything["hosts"][node.name]
        | {
            "base_cmdline_file": node.facts.cmdline_file,
            "base_enable_memory_cgroup": not node.facts.memory_cgroup,
            "base_install_time_sync": not node.facts.ntp_available,
            "base_enable_time_sync": not node.facts.ntp_enabled,
            "docker_distribution": "ubuntu" if node.facts.os_id == "ubuntu" else "debian",
            "docker_codename": node.facts.os_codename,
            "trust_docker_config_file": str(docker_config) if node.role == "manager" else "",
            "mark_content": markers[node.name],
            "note_original": {
                "hostname": node.facts.hostname,
                "docker": bool(node.facts.docker_package),
                "docker_group": "docker" in node.facts.groups,
            },
        }
        for node in nodes
    }
    everything["vars"] |= {
        "ansible_python_interpreter": "/usr/bin/python3",
        "base_ca_bundle": str(site.options.ca_bundle or ""),
        "docker_source": site.options.docker_source,
        "trust_registry": REGISTRY,
        "trust_registry_address": plan.nodes[0].address,
        "trust_ca_file": str(cluster.ca_file),
        "trust_state_dir": STATE_DIR,
        "announce_cluster": cluster.name,
    }
    del everything["children"]
    return document


def _form_swarm(site: Site, plan: Plan, fleet: Fleet, engine: Engine) -> None:
    first = plan.nodes[0]
    with site.console.step("Swarm"):
        for step in plan.steps_of(SWARM_INIT):
            swarm.start_swarm(engine, first.address, plan.networks())
            site.console.done(step.text, step.node)
        for step in plan.steps_of(FORGET):
            swarm.forget_member(engine, step.details["node_id"], step.details["role"])
            site.console.done(step.text, step.node)
        _join(site, plan, fleet, engine)
        ids = fleet.on(_touched(plan), _node_id)
        for step in plan.steps_of(PROMOTE):
            if step.node in ids:
                swarm.update_member(engine, ids[step.node], role="manager")
                site.console.done(step.text, step.node)
        for step in plan.steps_of(LABEL):
            if step.node in ids:
                swarm.update_member(engine, ids[step.node], labels=step.details["labels"])
        swarm.wait_ready(engine, len(fleet.healthy), site.console.progress)


def _join(site: Site, plan: Plan, fleet: Fleet, engine: Engine) -> None:
    """Join managers one after the other, for the sake of their quorum, then all workers at once."""
    first = plan.nodes[0]
    nodes = {node.name: node for node in plan.nodes}
    tokens = swarm.join_tokens(engine) if plan.steps_of(JOIN) else {}

    def join(connection: Connection) -> None:
        node = nodes[connection.node]
        with engine_of(connection) as own:
            swarm.join_swarm(own, tokens[node.role], first.address, node.address)
        site.console.done(f"joined the Swarm as {node.role}", node.name)

    joining = [step.node for step in plan.steps_of(JOIN)]
    for node in joining:
        if nodes[node].role == "manager":
            fleet.on([node], join)
    fleet.on([node for node in joining if nodes[node].role != "manager"], join)


def _node_id(connection: Connection) -> str:
    with engine_of(connection) as own:
        return swarm.node_id_of(own)


def _touched(plan: Plan) -> list[str]:
    return list(dict.fromkeys(step.node for step in (*plan.steps_of(PROMOTE), *plan.steps_of(LABEL))))
