"""Watching a version go live: what the Swarm does with it, and whether it answers."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from piswarm.errors import DeployError
from piswarm.functions.gateway import GatewayClient
from piswarm.functions.version import COMMIT, FINGERPRINT, annotation, previous_deployment

if TYPE_CHECKING:
    from piswarm.cluster.engine import Engine
    from piswarm.cluster.shell import Shell

_LABEL = f"com.openfaas.annotations.{FINGERPRINT}"
_BROKEN = frozenset({"failed", "rejected"})
_ATTEMPTS = 3
_LOG_LINES = 20
_LOG_TIMEOUT_S = 20.0
_HEALTH_TIMEOUT_S = 10.0
_ANSWERS_PER_REPLICA = 4
_ANSWER_TIMEOUT_S = 60.0
_FETCH_TIMEOUT_S = 1800.0
"""A first image over a slow Wi-Fi onto an SD card."""
_VERSION_HEADER = "X-Piswarm-Version"


@dataclass(frozen=True)
class Rollout:
    """How far a version is.

    Attributes:
        is_live: it has taken over completely.
        fault: why it never will; empty while there is hope.
        text: what is happening, for people.
        replicas: how many are to run.
        is_fetching: a node still fetches the image.
        broken_task: id of a task of this version that did not work, for its log.
    """

    is_live: bool
    fault: str
    text: str
    replicas: int
    is_fetching: bool = False
    broken_task: str = ""


def judge(
    service: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], fingerprint: str, image: str
) -> Rollout:
    """Say how far a version is.

    Args:
        service: the service as the engine describes it.
        tasks: the service's tasks.
        fingerprint: names the version.
        image: its image; the same version can be built anew.
    """
    wanted = service["Spec"]["Mode"]["Replicated"].get("Replicas", 0)
    kept = [task for task in tasks if task["DesiredState"] in ("running", "ready", "accepted")]
    own = [task for task in tasks if _is_version(task["Spec"], fingerprint, image)]
    running = [task for task in own if task in kept and task["Status"]["State"] == "running"]
    old = [task for task in kept if not _is_version(task["Spec"], fingerprint, image)]
    broken = sorted(
        (task for task in own if task["Status"]["State"] in _BROKEN), key=lambda task: str(task["UpdatedAt"])
    )
    fetching = sum(1 for task in own if task in kept and task["Status"]["State"] == "preparing")
    reason = _reason(own, broken)
    text = f"{len(running)} of {wanted} replicas run"
    text += f"; {fetching} get ready or fetch the image" if fetching else ""
    text += f"; {reason}" if reason else ""
    rollout = Rollout(False, "", text, wanted, fetching > 0, broken[-1]["ID"] if broken else "")
    if not _is_version(service["Spec"]["TaskTemplate"], fingerprint, image):
        return replace(rollout, fault=reason or "the Swarm went back to the version before")
    if len(running) >= wanted and not old:
        return replace(rollout, is_live=True)
    state = (service.get("UpdateStatus") or {}).get("State", "")
    if state.startswith("rollback") or (state == "paused" and broken):
        return replace(rollout, fault=reason or "the Swarm gave the update up")
    if len(broken) >= _ATTEMPTS and not running:
        return replace(rollout, fault=reason)
    return rollout


def put_live(
    engine: Engine,
    shell: Shell,
    gateway: GatewayClient,
    wanted: Mapping[str, Any],
    running: Mapping[str, Any] | None,
    *,
    timeout_s: float,
    on_progress: Callable[[str], None],
) -> None:
    """Deploy a version and wait until it has taken over and answers; take it back when it does not.

    Args:
        engine: a manager's engine.
        shell: the same manager.
        gateway: the gateway that is to reach the function.
        wanted: the body that deploys the version.
        running: what the gateway says of the version before; None when there is none.
        timeout_s: seconds until it is given up, not counting the time in which nodes fetch the image.
        on_progress: is called with each new thing to tell.

    Raises:
        GatewayError: the gateway refuses it.
        DeployError: it does not work; the message says why and the hint holds the last lines of its log.
    """
    name, fingerprint = str(wanted["service"]), str(wanted["annotations"][FINGERPRINT])
    gateway.put(wanted)
    try:
        rollout = _watch(engine, wanted, timeout_s, on_progress)
        if not rollout.is_live:
            fault = rollout.fault or f"after {timeout_s:.0f} s {rollout.text}"
            raise DeployError(f"The new version of {name} does not work: {fault}.", _log(shell, rollout))
        _wait_for_answer(gateway, name, fingerprint, rollout.replicas)
    except DeployError as error:
        raise _taken_back(gateway, name, running, error) from error


def _watch(
    engine: Engine, wanted: Mapping[str, Any], timeout_s: float, on_progress: Callable[[str], None]
) -> Rollout:
    fingerprint, image = str(wanted["annotations"][FINGERPRINT]), str(wanted["image"])
    began = time.monotonic()
    deadline, pause_s, told = began + timeout_s, 0.1, ""
    while True:
        service = engine.inspect_service(wanted["service"])
        rollout = judge(service, engine.tasks({"service": service["ID"]}), fingerprint, image)
        if rollout.is_fetching:
            deadline = min(time.monotonic() + timeout_s, began + _FETCH_TIMEOUT_S)
        if rollout.is_live or rollout.fault or time.monotonic() > deadline:
            return rollout
        if rollout.text != told:
            told = rollout.text
            on_progress(told)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.2, 0.4)


def _wait_for_answer(gateway: GatewayClient, function: str, fingerprint: str, replicas: int) -> None:
    """Wait until the gateway reaches the new version, and nothing but the new version.

    Replicas of the old one still serve for a moment after they were told to stop. The gateway gives each call
    to one that has little to do, so several times as many answers in a row as there can be replicas show that
    the old ones are out of its list. A function that does not say its version is taken by its word.
    """
    needed = _ANSWERS_PER_REPLICA * (replicas + 1)
    deadline, pause_s, in_a_row = time.monotonic() + _ANSWER_TIMEOUT_S, 0.02, 0
    while in_a_row < needed:
        answer = gateway.invoke(function, method="GET", path="/_/health", timeout_s=_HEALTH_TIMEOUT_S)
        if not answer.is_the_gateways and answer.headers.get(_VERSION_HEADER, fingerprint) == fingerprint:
            in_a_row += 1
            continue
        if time.monotonic() > deadline:
            said = " ".join(answer.body.decode(errors="replace").split())[:200].rstrip(".") or "nothing"
            raise DeployError(
                f"{function} runs, but after {_ANSWER_TIMEOUT_S:.0f} s the gateway still does not reach "
                f"the new version: status {answer.status}, {said}."
            )
        in_a_row = 0
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.3)


def _taken_back(
    gateway: GatewayClient, name: str, running: Mapping[str, Any] | None, error: DeployError
) -> DeployError:
    """Undo a deploy that failed, and say so."""
    if running is None:
        gateway.remove(name)
        return DeployError(f"{error.message} It was removed again.", error.hint)
    if (gateway.existing(name).get("annotations") or {}) != (running.get("annotations") or {}):
        gateway.put(previous_deployment(running))
    before = annotation(running, COMMIT)
    version = f"commit {before[:12]}" if before else str(running["image"])
    return DeployError(f"{error.message} The version before ({version}) still runs.", error.hint)


def _log(shell: Shell, rollout: Rollout) -> str:
    """Return the last lines that the broken task wrote."""
    if not rollout.broken_task:
        return ""
    command = f"docker service logs --raw --tail {_LOG_LINES} {shlex.quote(rollout.broken_task)} 2>&1"
    result = shell.run(command, timeout_s=_LOG_TIMEOUT_S, check=False)
    text = result.stdout.strip()
    return f"The last lines of its log:\n{text}" if result.exit_code == 0 and text else ""


def _is_version(template: Mapping[str, Any], fingerprint: str, image: str) -> bool:
    container = template["ContainerSpec"]
    return container["Image"] == image and (container.get("Labels") or {}).get(_LABEL) == fingerprint


def _reason(own: Sequence[Mapping[str, Any]], broken: Sequence[Mapping[str, Any]]) -> str:
    pending = [task for task in own if task["Status"]["State"] == "pending" and task["Status"].get("Err")]
    for task in (*reversed(broken), *pending):
        error = str(task["Status"].get("Err") or task["Status"].get("Message") or "")
        if error:
            return error.rstrip(".")
    return ""
