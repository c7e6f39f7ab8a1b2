"""The Swarm itself, through the Docker SDK: start it, join nodes, label them, see what it is.

Join tokens go from one engine's API to another's; they are on no command line, in no log and in no file.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping

import docker

from piswarm.cluster.engine import Engine
from piswarm.cluster.plan import SwarmMember, SwarmView
from piswarm.errors import SwarmError

PYTHON3_LABEL = "piswarm.image.python3"
RELEASE_LABEL = "piswarm.release"
STACK = "piswarm"
READY_TIMEOUT_S = 120.0
LEADER_TIMEOUT_S = 120.0
"""An election begins 10 to 20 s after the old leader fell silent, and is held again where a vote is split or a
manager has just come back: https://github.com/moby/swarmkit/pull/2564 (10 ticks of 1 s)."""
ELECTION = "The managers are without a leader and elect one; waiting"

_CERTIFICATE_YEAR_NS = 365 * 24 * 3600 * 10**9
# Wi-Fi drops a heartbeat now and then; Swarm's own 5 s would restart all tasks of the node each time.
_HEARTBEAT_NS = 20 * 10**9
_POOLS = ("10.201.0.0/16", "10.77.0.0/16", "172.29.0.0/16", "192.168.192.0/18")
_POOL_SUBNET_BITS = 24
_UNAVAILABLE = 503


def read_swarm(engine: Engine) -> SwarmView:
    """Return the Swarm as the engine of one of its managers sees it."""
    members = {}
    for node in engine.nodes():
        manager = node.get("ManagerStatus") or {}
        members[node["ID"]] = SwarmMember(
            node_id=node["ID"],
            role=node["Spec"]["Role"],
            state=node["Status"]["State"],
            availability=node["Spec"]["Availability"],
            labels=node["Spec"].get("Labels") or {},
            hostname=node["Description"].get("Hostname", ""),
            address=manager.get("Addr", "").rpartition(":")[0] or node["Status"].get("Addr", ""),
            leader=bool(manager.get("Leader")),
            reachable=manager.get("Reachability", "reachable") == "reachable",
        )
    return SwarmView(engine.inspect_swarm()["ID"], members, _running_release(engine))


def wait_for_leader(
    engine: Engine, on_wait: Callable[[], None], *, timeout_s: float = LEADER_TIMEOUT_S
) -> None:
    """Wait until the managers have a leader: a new one is elected when the old one is lost.

    Args:
        engine: the engine of a manager.
        on_wait: is called once, when there is none yet.
        timeout_s: seconds until it is given up.

    Raises:
        SwarmError: there was none when the time was up: too few managers are on.
    """
    deadline = time.monotonic() + timeout_s
    is_told = False
    while True:
        try:
            engine.inspect_swarm()
        except docker.errors.APIError as error:
            if error.status_code != _UNAVAILABLE or time.monotonic() > deadline:
                raise SwarmError(
                    f"The Swarm had no leader for {timeout_s:.0f} s: too few of its managers are on.",
                    "Bring managers back; more than half of them must be on.",
                ) from error
            if not is_told:
                on_wait()
                is_told = True
            time.sleep(0.5)
        else:
            return


def start_swarm(engine: Engine, address: str, lan: Iterable[str]) -> None:
    """Start a Swarm of one manager.

    Args:
        engine: the engine of the first manager.
        address: the address that it is reached by.
        lan: the networks of the nodes, as CIDR, which the Swarm's own networks must not overlap.
    """
    engine.init_swarm(
        advertise_addr=address,
        listen_addr="0.0.0.0:2377",
        data_path_addr=address,
        default_addr_pool=[choose_address_pool(lan)],
        subnet_size=_POOL_SUBNET_BITS,
        swarm_spec=engine.create_swarm_spec(
            node_cert_expiry=_CERTIFICATE_YEAR_NS, dispatcher_heartbeat_period=_HEARTBEAT_NS
        ),
    )


def join_tokens(manager: Engine) -> dict[str, str]:
    """Return the tokens that let a node join, by role; they are secrets."""
    tokens = manager.inspect_swarm()["JoinTokens"]
    return {"manager": tokens["Manager"], "worker": tokens["Worker"]}


def join_swarm(node: Engine, token: str, manager_address: str, address: str) -> None:
    """Join a node to the Swarm; the token decides in which role.

    Args:
        node: the engine of the node that joins.
        token: one of `join_tokens`.
        manager_address: the address that a manager is reached by.
        address: the address that the node is reached by.
    """
    node.join_swarm(
        remote_addrs=[f"{manager_address}:2377"],
        join_token=token,
        listen_addr="0.0.0.0:2377",
        advertise_addr=address,
        data_path_addr=address,
    )


def update_member(
    engine: Engine,
    node_id: str,
    *,
    role: str | None = None,
    availability: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Change a node's role or availability, or add labels to it; what is not named stays."""
    node = engine.inspect_node(node_id)
    specification = dict(node["Spec"])
    specification["Labels"] = {**(specification.get("Labels") or {}), **(labels or {})}
    specification["Role"] = role or specification["Role"]
    specification["Availability"] = availability or specification["Availability"]
    if specification != node["Spec"]:
        engine.update_node(node_id, node["Version"]["Index"], specification)


def forget_member(engine: Engine, node_id: str, role: str) -> None:
    """Remove the entry of a node that has left or is gone; the managers need a moment to see that it is down.

    Raises:
        SwarmError: they still took it for living when the time was up.
    """
    if role == "manager":
        update_member(engine, node_id, role="worker")
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            engine.remove_node(node_id, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if time.monotonic() > deadline:
                raise SwarmError(f"The entry {node_id} could not be removed: {error.explanation}.") from error
            time.sleep(1)
        else:
            return


def node_id_of(engine: Engine) -> str:
    """Return the ID that the node of this engine has in its Swarm.

    Raises:
        SwarmError: it is in none.
    """
    node_id: str = engine.info()["Swarm"].get("NodeID", "")
    if not node_id:
        raise SwarmError(
            "The engine is in no Swarm although it was to join one.", "Run 'piswarm init' again."
        )
    return node_id


def wait_ready(
    engine: Engine,
    expected: int,
    on_progress: Callable[[str], None],
    timeout_s: float = READY_TIMEOUT_S,
) -> SwarmView:
    """Wait until `expected` nodes are ready.

    Args:
        engine: the engine of a manager.
        expected: how many nodes must be ready.
        on_progress: is called when the number changes.
        timeout_s: seconds until it is given up.

    Raises:
        SwarmError: the time was up; the message names the nodes that are not ready.
    """
    deadline = time.monotonic() + timeout_s
    told = -1
    while True:
        view = read_swarm(engine)
        ready = sum(member.up for member in view.members.values())
        if ready >= expected:
            return view
        if ready != told:
            on_progress(f"{ready} of {expected} nodes are ready")
            told = ready
        if time.monotonic() > deadline:
            late = ", ".join(
                f"{member.hostname} is {member.condition}"
                for member in view.members.values()
                if not member.up
            )
            raise SwarmError(
                f"After {timeout_s:.0f} s only {ready} of {expected} nodes were ready ({late or 'others unknown'}).",
                "See 'journalctl -u docker' on the node; ports 2377, 7946 and 4789 must be open between nodes.",
            )
        time.sleep(0.5)


def choose_address_pool(lan: Iterable[str]) -> str:
    """Return a pool for the Swarm's networks that overlaps none of the `lan` networks (CIDR).

    Raises:
        SwarmError: all known pools overlap.
    """
    networks = [ipaddress.ip_network(one, strict=False) for one in lan]
    for pool in _POOLS:
        if not any(ipaddress.ip_network(pool).overlaps(network) for network in networks):
            return pool
    raise SwarmError(
        f"Each address pool for the Swarm's networks ({', '.join(_POOLS)}) overlaps a network of the nodes.",
        "Use a smaller network for the nodes, for example 192.168.1.0/24.",
    )


def read_services(engine: Engine) -> dict[str, tuple[int, int]]:
    """Return how many tasks run and how many are wanted, by name of each service that goes on (jobs end)."""
    return {
        one["Spec"]["Name"]: (one["ServiceStatus"]["RunningTasks"], one["ServiceStatus"]["DesiredTasks"])
        for one in engine.services(status=True)
        if "ReplicatedJob" not in one["Spec"]["Mode"]
    }


def function_base_image(engine: Engine) -> str:
    """Return the image that Python functions start from; every node can pull it.

    Raises:
        SwarmError: the registry's service does not tell.
    """
    for service in engine.services(filters={"name": f"{STACK}_registry"}):
        image = (service["Spec"].get("Labels") or {}).get(PYTHON3_LABEL)
        if image:
            return str(image)
    raise SwarmError(f"There is no service {STACK}_registry.", "Run 'piswarm init' to start it.")


def _running_release(engine: Engine) -> str:
    """Return the stack's release when all its services run as asked, else an empty string."""
    services = engine.services(filters={"label": f"com.docker.stack.namespace={STACK}"}, status=True)
    releases = {(one["Spec"].get("Labels") or {}).get(RELEASE_LABEL, "") for one in services}
    complete = all(
        one["ServiceStatus"]["RunningTasks"] >= max(1, one["ServiceStatus"]["DesiredTasks"])
        for one in services
    )
    return releases.pop() if len(services) >= 2 and len(releases) == 1 and complete else ""
