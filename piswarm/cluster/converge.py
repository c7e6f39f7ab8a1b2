"""Waiting until what was asked of the Swarm is so, or telling why it is not.

`docker stack deploy --detach=false` ends with success after an automatic rollback, so the wait is our own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import requests

from piswarm.cluster.connect import Connection, quote
from piswarm.cluster.engine import Engine
from piswarm.cluster.inventory import GATEWAY_PORT
from piswarm.cluster.swarm import RELEASE_LABEL, STACK
from piswarm.console import Console
from piswarm.errors import SwarmError

SERVICE_TIMEOUT_S = 300.0
GATEWAY_TIMEOUT_S = 120.0

_POLL_S = 0.5
_LOG_LINES = 12


@dataclass(frozen=True)
class _State:
    """How far a service is: done, failed for good, or on its way."""

    done: bool
    failed: bool
    text: str
    error: str

    def __str__(self) -> str:
        return f"{self.text} ({self.error})" if self.error else self.text


def wait_for_service(
    connection: Connection,
    engine: Engine,
    service: str,
    release: str,
    console: Console,
    timeout_s: float = SERVICE_TIMEOUT_S,
) -> None:
    """Wait until all tasks of a service run in the version of `release`.

    Args:
        connection: to the manager, for the service's log when it fails.
        engine: the manager's engine.
        service: name of the service.
        release: what its label must say; another one means that the Swarm rolled the service back.
        console: where progress is shown.
        timeout_s: seconds until it is given up.

    Raises:
        SwarmError: the time was up or the update failed; the message has the last error and the log's end.
    """
    deadline = time.monotonic() + timeout_s
    told = ""
    while True:
        state = _state(engine, service, release)
        if state.done:
            return
        if state.text != told:
            console.progress(f"{service}: {state}")
            told = state.text
        if state.failed or time.monotonic() > deadline:
            when = "" if state.failed else f" within {timeout_s:.0f} s"
            raise SwarmError(
                f"{service} did not start{when}: {state}.\n{_last_lines(connection, service)}",
                f"See 'docker service ps --no-trunc {service}' on {connection.node}.",
            )
        time.sleep(_POLL_S)


def wait_for_gateway(address: str, timeout_s: float = GATEWAY_TIMEOUT_S) -> None:
    """Wait until the gateway answers at `address`.

    Raises:
        SwarmError: it did not in time; the message has the last observation.
    """
    deadline = time.monotonic() + timeout_s
    url = f"http://{address}:{GATEWAY_PORT}/healthz"
    while True:
        try:
            answer = requests.get(url, timeout=5)
            if answer.status_code == 200:
                return
            seen = f"it answered {answer.status_code}"
        except requests.RequestException as error:
            seen = str(error)
        if time.monotonic() > deadline:
            raise SwarmError(
                f"The gateway at {url} was not healthy within {timeout_s:.0f} s: {seen}.",
                f"See 'docker service logs {STACK}_gateway' on a manager.",
            )
        time.sleep(_POLL_S)


def _state(engine: Engine, name: str, release: str) -> _State:
    similar = engine.services(filters={"name": name}, status=True)
    service = next((one for one in similar if one["Spec"]["Name"] == name), None)
    if service is None:
        return _State(False, False, "not there yet", "")
    container = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    tasks = [
        task
        for task in engine.tasks(filters={"service": service["ID"]})
        if task["Spec"]["ContainerSpec"] == container
    ]
    error = _newest_error(tasks)
    update = (service.get("UpdateStatus") or {}).get("State", "")
    if service["Spec"]["Labels"].get(RELEASE_LABEL) != release:
        return _State(False, True, "the Swarm rolled its update back", _rollback_reason(service))
    if update == "paused":
        return _State(False, True, "its update stopped", error)
    desired = service["ServiceStatus"]["DesiredTasks"]
    running = sum(task["DesiredState"] == task["Status"]["State"] == "running" for task in tasks)
    done = update != "updating" and 0 < desired <= running
    return _State(done, False, f"{running} of {desired} running", error)


def _rollback_reason(service: dict[str, Any]) -> str:
    return str((service.get("UpdateStatus") or {}).get("Message", ""))


def _newest_error(tasks: list[dict[str, Any]]) -> str:
    failed = [task for task in tasks if task["Status"].get("Err")]
    newest = max(failed, key=lambda task: task["UpdatedAt"], default=None)
    return str(newest["Status"]["Err"]) if newest else ""


def _last_lines(connection: Connection, service: str) -> str:
    command = quote("docker", "service", "logs", "--raw", "--tail", _LOG_LINES, service)
    result = connection.run(f"{command} 2>&1", timeout_s=30, check=False)
    lines = result.stdout.strip().splitlines()[-_LOG_LINES:]
    return "The end of its log:\n  " + "\n  ".join(lines) if lines else "Its log is empty."
