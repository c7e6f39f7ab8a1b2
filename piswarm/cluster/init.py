"""The story of `piswarm init`: observe, check, plan, show, apply, verify, record."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from piswarm.cluster import checks, stack, swarm, trust
from piswarm.cluster.access import Entry, install_key, open_nodes, switch_to_key
from piswarm.cluster.checks import Finding
from piswarm.cluster.connect import Connection, Login
from piswarm.cluster.discover import Sighting, default_interfaces, discover
from piswarm.cluster.engine import Engine, engine_of
from piswarm.cluster.facts import Facts
from piswarm.cluster.images import DEFAULT_BASE, read_base
from piswarm.cluster.inventory import (
    PLATFORMS,
    REGISTRY,
    REGISTRY_HOST,
    STATE_DIR,
    Cluster,
    NodeRecord,
    inventory_document,
    save_cluster,
    write_file,
)
from piswarm.cluster.plan import (
    JOIN,
    KEY,
    LABEL,
    PROMOTE,
    PROVISION,
    STACK,
    SWARM_INIT,
    Observed,
    Plan,
    PlannedNode,
    Step,
    SwarmView,
    Wish,
    plan_cluster,
    unique_names,
)
from piswarm.cluster.probe import on_all, probe
from piswarm.cluster.provision import playbooks_digest, run_playbook
from piswarm.console import Console
from piswarm.errors import DiscoveryError, PartialError, PiswarmError, ProvisionError, UsageError
from piswarm.secret import Secret
from piswarm.settings import Settings


@dataclass(frozen=True)
class InitOptions:
    """What the user asked of `piswarm init`.

    Attributes:
        cluster: name of the cluster.
        nodes: addresses or host names of nodes; empty to find them.
        interfaces: network interfaces to look on; empty for those of home networks.
        user: login user on the nodes.
        password: SSH password, where known.
        sudo_password: sudo password, where it differs.
        managers: how many managers; 0 for the usual number.
        docker_source: `docker` or `distro`.
        base_image: image reference or root file system archive that all images start from.
        image_arch: architecture of the images (Debian's word); empty for the first manager's own.
        ca_bundle: a file of certificate authorities that the nodes are to trust, too.
        yes: do not ask before changing nodes.
        dry_run: show the plan and change nothing.
    """

    cluster: str
    nodes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    user: str = "pi"
    password: Secret | None = None
    sudo_password: Secret | None = None
    managers: int = 0
    docker_source: str = "docker"
    base_image: str = DEFAULT_BASE
    image_arch: str = ""
    ca_bundle: Path | None = None
    yes: bool = False
    dry_run: bool = False


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


@dataclass(frozen=True)
class _Site:
    """What stays the same during one run: the wishes, the folder, the trust, where to speak."""

    options: InitOptions
    settings: Settings
    directory: Path
    console: Console
    login: Login
    public_key: str
    credentials: Mapping[str, Mapping[str, str]]
    authority: trust.KeyPair

    def release_for(self, image_arch: str) -> stack.Release:
        """Return what is to run on the cluster with images of `image_arch`."""
        registry = trust.ensure_server_certificate(
            self.directory, "registry", self.authority, [REGISTRY_HOST]
        )
        base = read_base(self.options.base_image)
        return stack.make_release(base, PLATFORMS[image_arch], self.credentials, registry)

    def recipe(self) -> str:
        """Return the digest of what provisioning makes of a node."""
        bundle = self.options.ca_bundle.read_bytes() if self.options.ca_bundle else b""
        parts = (
            playbooks_digest().encode(),
            self.options.docker_source.encode(),
            self.authority.certificate,
            bundle,
        )
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def initialise(options: InitOptions, settings: Settings, console: Console) -> InitResult:
    """Make a cluster of bare nodes, or bring one back into its wished state.

    Raises:
        DiscoveryError: no node was found.
        ConnectError: nodes cannot be reached or refuse the login.
        ProvisionError: a node has a fault that must be mended first, or could not be provisioned.
        PartialError: some nodes are done and some are not.
        SwarmError: the Swarm, the registry or the gateway did not become healthy.
        UsageError: an answer is needed and nobody can be asked.
    """
    sightings = find_nodes(options, console)
    with _site(options, settings, console) as site, ExitStack() as open_connections:
        entries = open_connections.enter_context(
            open_nodes(sightings, site.login, lambda: _ask_password(site))
        )
        observed = _observe(site, entries)
        view = _read_swarm(site, entries, observed)
        findings = _check(site, observed, view)
        plan, release = _plan(site, observed, view)
        _show(plan, console)
        if options.dry_run or not plan.steps:
            cluster = None if options.dry_run else _record(site, plan, release)
            return InitResult(plan, tuple(findings), cluster, changed=False)
        if not options.yes and not console.confirm(f"Do this on {len(plan.nodes)} nodes?"):
            raise PiswarmError("Nothing was changed.", "Say 'y', or give --yes, to go on.")
        cluster = _apply(site, plan, release, {one.connection.address: one.connection for one in entries})
        return InitResult(plan, tuple(findings), cluster, changed=True)


def find_nodes(options: InitOptions, console: Console) -> list[Sighting]:
    """Return the nodes that the user named, or those that are found on the network.

    Raises:
        DiscoveryError: there are none.
    """
    if options.nodes:
        return [Sighting(name=node, addresses=(node,), seen_by=("given",)) for node in options.nodes]
    interfaces = options.interfaces or tuple(default_interfaces())
    with console.step(f"Looking for nodes on {', '.join(interfaces)}"):
        sightings = discover(interfaces)
    if not sightings:
        raise DiscoveryError(
            f"No node was found on {', '.join(interfaces)}.",
            "See that the Pis are on, on this network and have SSH enabled; name them with --node ADDRESS.",
        )
    for one in sightings:
        console.done(f"{one.address}{' (Raspberry Pi)' if one.is_raspberry_pi else ''}", one.name)
    return sightings


@contextmanager
def _site(options: InitOptions, settings: Settings, console: Console) -> Iterator[_Site]:
    """Give the cluster's folder with its key, authority and passwords; a dry run makes them elsewhere."""
    with ExitStack() as cleanup:
        directory = settings.cluster_dir(options.cluster)
        if options.dry_run and not directory.exists():
            directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-dry-run-")))
        known_hosts, key = directory / "known_hosts", directory / "id_ed25519"
        had_key = key.exists()
        public_key = trust.ensure_ssh_key(directory, f"piswarm-{options.cluster}")
        login = Login(
            user=options.user,
            known_hosts_file=known_hosts,
            key_file=key if had_key else None,
            password=options.password,
            sudo_password=options.sudo_password or options.password,
        )
        credentials = trust.ensure_credentials(directory)
        authority = trust.ensure_authority(directory, options.cluster)
        yield _Site(options, settings, directory, console, login, public_key, credentials, authority)


def _ask_password(site: _Site) -> Secret:
    return site.console.ask_secret(
        f"Password of user '{site.options.user}' on the nodes", flag="--password-file"
    )


def _observe(site: _Site, entries: Sequence[Entry]) -> list[Observed]:
    """Probe all nodes; ask for the sudo password where it turns out to be needed."""
    with site.console.step(f"Probing {len(entries)} nodes"):
        observed = _probe_all(entries)
    locked_out = [one for one in observed if one.facts.sudo == "asks"]
    if locked_out and _needs_root(site, locked_out):
        password = site.console.ask_secret("sudo password on the nodes", flag="--password-file")
        for entry in entries:
            entry.connection.login = replace(entry.connection.login, sudo_password=password)
        observed = _probe_all(entries)
    return observed


def _probe_all(entries: Sequence[Entry]) -> list[Observed]:
    results = on_all([entry.connection for entry in entries], probe)
    errors = [result.error for result in results if result.error]
    if errors:
        raise errors[0]
    return [
        Observed(_reachable_address(entry.connection, result.value), result.value, entry.knows_key)
        for entry, result in zip(entries, results, strict=True)
        if result.value is not None
    ]


def _reachable_address(connection: Connection, facts: Facts) -> str:
    """Return the node's address in numbers, also where the user gave a name."""
    own = [entry.address for entry in facts.addresses]
    if connection.address in own or not own:
        return connection.address
    peer: str = connection.client.get_transport().getpeername()[0]  # type: ignore[union-attr]
    return peer if peer in own else own[0]


def _needs_root(site: _Site, nodes: Sequence[Observed]) -> bool:
    recipe = site.recipe()
    return any(one.facts.marker.get("recipe") != recipe for one in nodes)


def _read_swarm(site: _Site, entries: Sequence[Entry], observed: Sequence[Observed]) -> SwarmView | None:
    """Return the cluster's own Swarm as one of its managers sees it, if there is one."""
    for entry, one in zip(entries, observed, strict=True):
        ours = one.facts.marker.get("cluster") == site.options.cluster
        if ours and one.facts.swarm.is_manager and one.facts.swarm.state == "active":
            with engine_of(entry.connection) as engine:
                return swarm.read_swarm(engine)
    return None


def _check(site: _Site, observed: Sequence[Observed], view: SwarmView | None) -> list[Finding]:
    """Show all findings of all nodes before anything is changed; faults end the story."""
    names = unique_names([one.facts.hostname for one in observed])
    findings = checks.check_nodes(
        dict(zip(names, (one.facts for one in observed), strict=True)),
        cluster=site.options.cluster,
        swarm_id=view.cluster_id if view else "",
        swarm_members=tuple(view.members) if view else (),
    )
    for found in findings:
        show = {checks.FAULT: site.console.fault, checks.WARNING: site.console.warn}.get(
            found.level, site.console.done
        )
        show(f"{found.sentence}{f' {found.remedy}' if found.remedy else ''}", found.node)
    stopping = checks.faults(findings)
    if stopping:
        nodes = ", ".join(dict.fromkeys(found.node for found in stopping))
        raise ProvisionError(
            f"{len(stopping)} fault(s) must be mended first, on {nodes}; nothing was changed.",
            "Do what stands behind each fault above, or leave the node out by naming the others with --node.",
        )
    return findings


def _plan(site: _Site, observed: Sequence[Observed], view: SwarmView | None) -> tuple[Plan, stack.Release]:
    wish = Wish(site.options.cluster, site.options.managers, site.recipe(), release="")
    builder = plan_cluster(wish, observed, view).nodes[0]
    release = site.release_for(site.options.image_arch or builder.facts.arch)
    return plan_cluster(replace(wish, release=release.digest), observed, view), release


def _show(plan: Plan, console: Console) -> None:
    for warning in plan.warnings:
        console.warn(warning)
    if not plan.steps:
        console.note("Nothing to change.")
        return
    console.note(f"The plan has {len(plan.steps)} steps:")
    for step in plan.steps:
        console.progress(step.text, step.node)


def _apply(site: _Site, plan: Plan, release: stack.Release, by_address: Mapping[str, Connection]) -> Cluster:
    connections = {node.name: by_address.get(node.address) or _connection(site, node) for node in plan.nodes}
    cluster = _cluster(site, plan, release)
    _install_keys(site, plan, connections)
    failed = _provision(site, plan, cluster, connections)
    builder = connections[plan.nodes[0].name]
    with engine_of(builder) as engine:
        _form_swarm(site, plan, connections, engine, failed)
        save_cluster(site.settings, cluster)
    if any(step.kind == STACK for step in plan.steps):
        stack.deploy_stack(builder, release, site.console)
    with site.console.step("Gateway answers"):
        for node in cluster.managers:
            if node.name not in failed:
                stack.wait_for_gateway(node.address)
    if failed:
        raise _partly_done(site, failed)
    return cluster


def _install_keys(site: _Site, plan: Plan, connections: Mapping[str, Connection]) -> None:
    nodes = plan.nodes_with(KEY)
    if nodes:
        with site.console.step("Installing the cluster's SSH key"):
            results = on_all(
                [connections[node.name] for node in nodes], lambda one: install_key(one, site.public_key)
            )
            for result in results:
                if result.error:
                    raise result.error
    with_key = replace(site.login, key_file=site.directory / "id_ed25519")
    for result in on_all(list(connections.values()), lambda one: switch_to_key(one, with_key)):
        if result.error:
            raise result.error


def _provision(
    site: _Site, plan: Plan, cluster: Cluster, connections: Mapping[str, Connection]
) -> dict[str, str]:
    """Run the playbook on the nodes that need it; return what failed, by node."""
    nodes = plan.nodes_with(PROVISION)
    if not nodes:
        return {}
    docker_config = site.directory / "docker-config.json"
    write_file(docker_config, stack.docker_config(site.credentials), 0o600)
    with site.console.step(f"Preparing {', '.join(node.name for node in nodes)} with Ansible"):
        outcome = run_playbook(
            "machines.yml",
            _run_inventory(site, plan, cluster, nodes, docker_config),
            sudo_password=_sudo_password(site, connections),
            on_task=lambda node, task: site.console.progress(task, node),
            log_file=site.directory / "logs" / "machines.log",
        )
    for node in nodes:
        if node.name in outcome.failures:
            site.console.fault(outcome.failures[node.name], node.name)
    if plan.nodes[0].name in outcome.failures or len(outcome.failures) == len(nodes):
        raise ProvisionError(
            f"{', '.join(outcome.failures)} could not be prepared, for the reasons above; no Swarm was formed.",
            f"Ansible's log is in {site.directory / 'logs' / 'machines.log'}; mend it and run the command again.",
        )
    for node in nodes:  # the login user is in the group `docker` only from the next login on
        if node.name not in outcome.failures:
            switch_to_key(connections[node.name], connections[node.name].login)
    return outcome.failures


def _sudo_password(site: _Site, connections: Mapping[str, Connection]) -> Secret | None:
    known = [one.login.sudo_password for one in connections.values() if one.login.sudo_password]
    return site.login.sudo_password or (known[0] if known else None)


def _run_inventory(
    site: _Site, plan: Plan, cluster: Cluster, nodes: Sequence[PlannedNode], docker_config: Path
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
            "docker_distribution": "ubuntu" if node.facts.os_id == "ubuntu" else "debian",
            "docker_codename": node.facts.os_codename,
            "trust_docker_config_file": str(docker_config) if node.role == "manager" else "",
            "mark_content": markers[node.name],
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


def _form_swarm(
    site: _Site, plan: Plan, connections: Mapping[str, Connection], engine: Engine, failed: dict[str, str]
) -> None:
    nodes = {node.name: node for node in plan.nodes}
    steps = [
        step
        for step in plan.steps
        if step.kind in {SWARM_INIT, JOIN, PROMOTE, LABEL} and step.node not in failed
    ]
    with site.console.step("Swarm"):
        for step in steps:
            try:
                _swarm_step(plan, step, nodes[step.node], connections[step.node], engine)
            except PiswarmError as error:
                if step.node == plan.nodes[0].name:
                    raise
                failed[step.node] = error.message
                site.console.fault(error.message, step.node)
            else:
                site.console.done(step.text, step.node)
        swarm.wait_ready(engine, len(plan.nodes) - len(failed), site.console.progress)


def _swarm_step(plan: Plan, step: Step, node: PlannedNode, connection: Connection, engine: Engine) -> None:
    first = plan.nodes[0]
    if step.kind == SWARM_INIT:
        swarm.start_swarm(engine, node.address, _networks(plan))
        return
    with engine_of(connection) as own:
        if step.kind == JOIN:
            swarm.join_swarm(engine, own, manager_address=first.address, address=node.address, role=node.role)
            return
        node_id = swarm.node_id_of(own)
    if step.kind == PROMOTE:
        swarm.update_member(engine, node_id, role="manager")
    else:
        swarm.update_member(engine, node_id, labels=step.details["labels"])


def _networks(plan: Plan) -> list[str]:
    return sorted(
        {f"{entry.address}/{entry.prefix}" for node in plan.nodes for entry in node.facts.addresses}
    )


def _cluster(site: _Site, plan: Plan, release: stack.Release) -> Cluster:
    nodes = tuple(
        NodeRecord(
            node.name, node.address, node.role, node.facts.arch, node.facts.model, node.facts.memory_mb
        )
        for node in plan.nodes
    )
    arch = next(arch for arch, platform in PLATFORMS.items() if platform == release.platform)
    return Cluster(site.options.cluster, site.directory, site.options.user, nodes, arch)


def _record(site: _Site, plan: Plan, release: stack.Release) -> Cluster:
    cluster = _cluster(site, plan, release)
    save_cluster(site.settings, cluster)
    return cluster


def _connection(site: _Site, node: PlannedNode) -> Connection:
    return Connection(node.name, node.address, site.login)


def _partly_done(site: _Site, failed: Mapping[str, str]) -> PartialError:
    told = "; ".join(f"{node}: {text}" for node, text in failed.items())
    return PartialError(
        f"The cluster runs, but without {', '.join(failed)}. {told}.",
        f"Mend what it says, then run 'piswarm init' again; it finishes the rest. Ansible's log: "
        f"{site.directory / 'logs' / 'machines.log'}.",
    )


def check_options(options: InitOptions) -> None:
    """Refuse options that cannot be meant.

    Raises:
        UsageError: one of them is wrong; the message says which.
    """
    if options.image_arch and options.image_arch not in PLATFORMS:
        raise UsageError(
            f"'{options.image_arch}' is not an architecture of images.", f"Known: {', '.join(PLATFORMS)}."
        )
    if options.managers < 0:
        raise UsageError(
            "There cannot be fewer than one manager.", "Leave --managers out for the usual number."
        )
    if options.ca_bundle and not options.ca_bundle.is_file():
        raise UsageError(f"There is no file {options.ca_bundle}.", "Check the path given with --ca-bundle.")
