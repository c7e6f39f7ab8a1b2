"""What is to be done, as data: observed nodes and the wish become a plan.

Pure: data in, data out. `--dry-run` prints the very plan that would be applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from piswarm.cluster.facts import Facts
from piswarm.cluster.node_checks import check_manager
from piswarm.errors import ProvisionError

KEY = "key"
PROVISION = "provision"
SWARM_INIT = "swarm-init"
FORGET = "forget"
JOIN = "join"
PROMOTE = "promote"
LABEL = "label"
STACK = "stack"


_REGISTRY = "piswarm.registry"
CLUSTER_OF_ONE_MANAGER_BELOW = 3
USUAL_MANAGERS = 3
_SMALL_PAGE = 4096


@dataclass(frozen=True)
class Observed:
    """A node as it was found.

    Attributes:
        address: the address that it was reached by.
        facts: what the probe saw.
        knows_key: whether it accepts the cluster's SSH key.
    """

    address: str
    facts: Facts
    knows_key: bool = True


@dataclass(frozen=True)
class SwarmMember:
    """A node as the Swarm's managers see it.

    Attributes:
        node_id: its ID in the Swarm.
        role: `manager` or `worker`.
        state: `ready`, `down`, …
        availability: `active`, `pause` or `drain`.
        labels: its labels in the Swarm.
        hostname: its host name, as its engine reported it.
        address: the address that it advertises.
        leader: whether it leads the managers.
        reachable: whether the other managers reach it; a manager that they do not reach has no vote, even
            while its tasks run on. True for workers.
    """

    node_id: str
    role: str
    state: str
    availability: str
    labels: Mapping[str, str]
    hostname: str = ""
    address: str = ""
    leader: bool = False
    reachable: bool = True

    @property
    def condition(self) -> str:
        """Return `ready`, `down`, … or `unreachable` for a manager that has no vote."""
        return "unreachable" if self.state == "ready" and not self.reachable else self.state

    @property
    def up(self) -> bool:
        """Return whether it does what its role asks: runs tasks and, on a manager, votes."""
        return self.condition == "ready"

    @property
    def usable(self) -> bool:
        """Return whether it is up and takes tasks."""
        return self.state == "ready" and self.availability == "active"


@dataclass(frozen=True)
class SwarmView:
    """The Swarm as one of its managers sees it.

    Attributes:
        cluster_id: ID of the Swarm.
        members: its nodes, by ID.
        release: digest of the stack that runs, or an empty string.
    """

    cluster_id: str
    members: Mapping[str, SwarmMember]
    release: str = ""


@dataclass(frozen=True)
class Wish:
    """What the cluster is to become.

    Attributes:
        cluster: its name.
        managers: how many managers; 0 for the usual number.
        recipe: digest of what provisioning makes of a node.
        release: digest of the stack.
        image_arch: architecture of the images, in Debian's words; empty for that of the first manager.
    """

    cluster: str
    managers: int
    recipe: str
    release: str
    image_arch: str = ""


@dataclass(frozen=True)
class PlannedNode:
    """A node with the place that it is to have.

    Attributes:
        name: host name that it is to have, unique in the cluster.
        address: the address that it is reached by and that it advertises.
        role: `manager` or `worker`.
        facts: what the probe saw.
        labels: the labels that it is to have in the Swarm.
    """

    name: str
    address: str
    role: str
    facts: Facts
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        kind: what is done, one of this module's constants.
        node: name of the node; empty for the cluster as a whole.
        text: the step, for people.
        details: what the step needs beyond its node.
    """

    kind: str
    node: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is to be done to get what is wished.

    Attributes:
        nodes: the nodes, in order; the first manager holds the registry.
        steps: what to do, in order; empty when there is nothing to change.
        warnings: what the user should know before saying yes.
    """

    nodes: tuple[PlannedNode, ...]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()

    def nodes_with(self, kind: str) -> list[PlannedNode]:
        """Return the nodes for which the plan has a step of this kind."""
        names = {step.node for step in self.steps if step.kind == kind}
        return [node for node in self.nodes if node.name in names]

    def steps_of(self, kind: str) -> list[Step]:
        """Return the steps of this kind, in order."""
        return [step for step in self.steps if step.kind == kind]

    def networks(self) -> list[str]:
        """Return the networks that the nodes are on, as CIDR, each once."""
        return sorted(
            {f"{entry.address}/{entry.prefix}" for node in self.nodes for entry in node.facts.addresses}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data, for JSON."""
        return {
            "nodes": [
                {"name": node.name, "address": node.address, "role": node.role, "labels": dict(node.labels)}
                for node in self.nodes
            ],
            "steps": [
                {"kind": step.kind, "node": step.node, "text": step.text, "details": dict(step.details)}
                for step in self.steps
            ],
            "warnings": list(self.warnings),
        }


def plan_cluster(wish: Wish, observed: Sequence[Observed], swarm: SwarmView | None = None) -> Plan:
    """Plan how the observed nodes become the wished cluster.

    Args:
        wish: what the cluster is to become.
        observed: the nodes as found, in the order of preference for managers.
        swarm: the cluster's Swarm, where there is one already.

    Raises:
        ProvisionError: there are fewer nodes than managers asked for, or the node with the registry is missing.
    """
    names = unique_names([one.facts.hostname for one in observed])
    absent = _absent(names, observed, swarm)
    roles, warnings = _roles(wish, observed, swarm, absent)
    nodes = tuple(
        PlannedNode(name, one.address, role, one.facts, node_labels(one.facts, holds_registry=False))
        for name, one, role in zip(names, observed, roles, strict=True)
    )
    nodes = _with_registry(nodes, swarm, absent)
    warnings += _new_manager_warnings(nodes, swarm)
    keys = [
        Step(KEY, name, "accept the cluster's SSH key")
        for name, one in zip(names, observed, strict=True)
        if not one.knows_key
    ]
    steps = [*keys, *_provision_steps(wish, nodes), *_swarm_steps(nodes, swarm), *_label_steps(nodes, swarm)]
    if swarm is None or swarm.release != wish.release:
        steps.append(Step(STACK, "", "build and start the registry and the gateway"))
    return Plan(nodes, tuple(steps), tuple(warnings))


def unique_names(hostnames: Sequence[str]) -> list[str]:
    """Return a unique name for each node: its own host name, or one with a number where that is taken."""
    taken: set[str] = set()
    names = []
    for hostname in hostnames:
        wanted = hostname or "node"
        number = 1
        name = wanted
        while name in taken or (name != wanted and name in hostnames):
            number += 1
            name = f"{wanted}-{number}"
        taken.add(name)
        names.append(name)
    return names


def manager_count(nodes: int, asked: int = 0) -> int:
    """Return how many managers a cluster of `nodes` nodes gets; `asked` wins where it is given."""
    return asked or (1 if nodes < CLUSTER_OF_ONE_MANAGER_BELOW else USUAL_MANAGERS)


def node_labels(facts: Facts, *, holds_registry: bool) -> dict[str, str]:
    """Return the labels of a node in the Swarm: what its userland is, whatever the kernel says."""
    labels = {
        "piswarm.arch": facts.arch,
        "piswarm.model": facts.model,
        "piswarm.memory": str(facts.memory_mb),
    }
    return labels | ({_REGISTRY: "true"} if holds_registry else {})


def _absent(names: Sequence[str], observed: Sequence[Observed], swarm: SwarmView | None) -> list[SwarmMember]:
    """Return the members of the Swarm that did not answer and that no node stands in for."""
    present = {one.facts.swarm.node_id for one in observed}
    return [
        member
        for member in (swarm.members.values() if swarm else ())
        if member.node_id not in present and member.hostname not in names
    ]


def _roles(
    wish: Wish, observed: Sequence[Observed], swarm: SwarmView | None, absent: Sequence[SwarmMember]
) -> tuple[list[str], list[str]]:
    current = {one.facts.swarm.node_id for one in observed if _is_manager(one, swarm)}
    ranked = sorted(range(len(observed)), key=lambda i: observed[i].facts.swarm.node_id not in current)
    image_arch = wish.image_arch or observed[ranked[0]].facts.arch
    # Each manager runs a gateway. Where nobody is made for the images, they are emulated everywhere.
    able = [i for i in ranked if runs_images(observed[i].facts, image_arch)] or ranked
    total = len(able) + len(absent)
    count = manager_count(total, wish.managers)
    if count > total and len(able) < len(observed):
        raise ProvisionError(
            f"{count} managers were asked for, but only {total} of the nodes run images for {image_arch}.",
            f"Ask for at most {total} with --managers, or choose other images with --image-arch.",
        )
    if count > total:
        raise ProvisionError(
            f"{count} managers were asked for, but there are only {total} nodes.",
            f"Ask for at most {total} with --managers, or add nodes.",
        )
    elsewhere = sum(member.role == "manager" for member in absent)
    count = max(count - elsewhere, 0)
    managers = {*able[:count], *ranked[: len(current)]}
    warnings = _unfit_warnings([one for i, one in enumerate(observed) if i not in able], observed, image_arch)
    all_managers = len(managers) + elsewhere
    if all_managers % 2 == 0:
        warnings.append(
            f"{all_managers} managers survive no more failures than {all_managers - 1}: "
            "an even number only adds one that can fail."
        )
    roles = ["manager" if i in managers else "worker" for i in range(len(observed))]
    return roles, warnings


def runs_images(facts: Facts, image_arch: str) -> bool:
    """Return whether a node runs images of an architecture (Debian's word).

    A 64-bit Pi runs 32-bit images, unless its kernel's pages are larger than 4 KiB:
    https://github.com/torvalds/linux/blob/v6.12/arch/arm64/Kconfig (COMPAT).
    """
    return facts.arch == image_arch or (
        (facts.arch, image_arch) == ("arm64", "armhf") and facts.page_size == _SMALL_PAGE
    )


def nodes_for_images(facts: Mapping[str, Facts], image_arch: str) -> list[str]:
    """Return the names of the nodes that run images of an architecture.

    Where no node is made for them, they are emulated on all.

    Args:
        facts: what the probe saw on each node.
        image_arch: the architecture, in Debian's words.
    """
    return [name for name, seen in facts.items() if runs_images(seen, image_arch)] or list(facts)


def _unfit_warnings(unfit: Sequence[Observed], all_nodes: Sequence[Observed], image_arch: str) -> list[str]:
    if not unfit:
        return []
    names = ", ".join(one.facts.hostname for one in unfit)
    remedy = "Functions are built there, too."
    if all(runs_images(one.facts, "armhf") for one in all_nodes):
        remedy += " With '--image-arch armhf' the images run on all of them."
    return [f"{names}: images for {image_arch} do not run there, so no manager is put there. {remedy}"]


def _is_manager(one: Observed, swarm: SwarmView | None) -> bool:
    member = swarm.members.get(one.facts.swarm.node_id) if swarm else None
    return member is not None and member.role == "manager"


def _new_manager_warnings(nodes: Sequence[PlannedNode], swarm: SwarmView | None) -> list[str]:
    """Say what speaks against the nodes that become managers; of those that are, the user knows it."""
    present = swarm.members if swarm else {}
    known = {member.node_id for member in present.values() if member.role == "manager"}
    return [
        f"{node.name}: {found.sentence} {found.remedy}"
        for node in nodes
        if node.role == "manager" and node.facts.swarm.node_id not in known
        for found in check_manager(node.name, node.facts)
    ]


def _with_registry(
    nodes: tuple[PlannedNode, ...], swarm: SwarmView | None, absent: Sequence[SwarmMember]
) -> tuple[PlannedNode, ...]:
    """Give the registry to the node that has it already, else to the first manager; that node stands first."""
    missing = next((member for member in absent if _REGISTRY in member.labels), None)
    if missing:
        raise ProvisionError(
            f"{missing.hostname} holds the cluster's registry and does not answer; nothing was changed.",
            "Bring it back, then run the command again. If its card is lost, flash it anew under the same name.",
        )

    def has_it(node: PlannedNode) -> bool:
        entries = [member for member in (swarm.members.values() if swarm else ()) if _is_of(member, node)]
        return any(_REGISTRY in member.labels for member in entries)

    managers = [node for node in nodes if node.role == "manager"]
    holder = next((node for node in managers if has_it(node)), managers[0])
    labelled = PlannedNode(
        holder.name, holder.address, holder.role, holder.facts, node_labels(holder.facts, holds_registry=True)
    )
    return (labelled, *(node for node in nodes if node is not holder))


def _is_of(member: SwarmMember, node: PlannedNode) -> bool:
    """Return whether a member is the node, or was before its card was flashed anew."""
    return member.node_id == node.facts.swarm.node_id or member.hostname == node.name


def _provision_steps(wish: Wish, nodes: Sequence[PlannedNode]) -> list[Step]:
    steps = []
    for node in nodes:
        wanted = wanted_marker(wish, nodes, node)
        if node.facts.marker == wanted and node.facts.docker_version and "docker" in node.facts.groups:
            continue
        texts = [] if node.facts.docker_version else ["install Docker"]
        if node.facts.hostname != node.name:
            texts.append(f"rename it from '{node.facts.hostname}'")
        if not node.facts.memory_cgroup:
            texts.append("let its kernel account for memory and reboot it")
        texts.append("trust the cluster's registry")
        steps.append(Step(PROVISION, node.name, ", ".join(texts), {"marker": wanted}))
    return steps


def wanted_marker(wish: Wish, nodes: Sequence[PlannedNode], node: PlannedNode) -> dict[str, Any]:
    """Return what a node notes of itself when it is provisioned; the same note means nothing to do."""
    return {
        "cluster": wish.cluster,
        "recipe": wish.recipe,
        "name": node.name,
        "role": node.role,
        "registry": nodes[0].address,
    }


def _swarm_steps(nodes: Sequence[PlannedNode], swarm: SwarmView | None) -> list[Step]:
    steps = []
    if swarm is None:
        text = f"start the Swarm, advertised at {nodes[0].address}"
        steps.append(Step(SWARM_INIT, nodes[0].name, text, {"address": nodes[0].address}))
    for node in nodes:
        steps += _forget_steps(node, swarm)
        member = swarm.members.get(node.facts.swarm.node_id) if swarm else None
        if member is None and not (swarm is None and node is nodes[0]):
            steps.append(Step(JOIN, node.name, f"join the Swarm as {node.role}", {"role": node.role}))
        elif member is not None and member.role != node.role and node.role == "manager":
            steps.append(Step(PROMOTE, node.name, "become a manager"))
    return steps


def _forget_steps(node: PlannedNode, swarm: SwarmView | None) -> list[Step]:
    """Return a step for each dead entry that the Swarm has under the node's name: cards are flashed anew."""
    return [
        Step(
            FORGET,
            node.name,
            "forget its old entry in the Swarm",
            {"node_id": member.node_id, "role": member.role},
        )
        for member in (swarm.members.values() if swarm else ())
        if member.hostname == node.name
        and member.node_id != node.facts.swarm.node_id
        and member.state == "down"
    ]


def _label_steps(nodes: Sequence[PlannedNode], swarm: SwarmView | None) -> list[Step]:
    steps = []
    for node in nodes:
        member = swarm.members.get(node.facts.swarm.node_id) if swarm else None
        present = member.labels if member else {}
        missing = {key: value for key, value in node.labels.items() if present.get(key) != value}
        if missing:
            told = ", ".join(f"{key}={value}" for key, value in missing.items())
            steps.append(Step(LABEL, node.name, f"label it {told}", {"labels": dict(node.labels)}))
    return steps
