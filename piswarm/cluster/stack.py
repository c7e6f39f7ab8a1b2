"""The registry and the gateway on the Swarm: secrets, images, the stack, and the wait until it answers."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import yaml

from piswarm.cluster import images
from piswarm.cluster.connect import Connection, quote
from piswarm.cluster.engine import Engine, engine_of
from piswarm.cluster.inventory import BASE_IMAGE, GATEWAY_PORT, REGISTRY, STATE_DIR
from piswarm.cluster.swarm import RELEASE_LABEL, STACK
from piswarm.cluster.trust import KeyPair
from piswarm.console import Console
from piswarm.errors import SwarmError
from piswarm.settings import STACKS

STACK_FILE = STACKS / "gateway.yml"
SERVICE_TIMEOUT_S = 300.0
GATEWAY_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Release:
    """All that decides what runs: the same digest means that nothing has to be done.

    Attributes:
        base: what all images start from.
        platform: platform of the images, for example `linux/arm/v7`.
        images: the cluster's own images, by name.
        secrets: content of the Swarm secrets, by name in the stack file's variables (`REGISTRY_KEY`, …).
        digest: of all of it.
    """

    base: images.Base
    platform: str
    images: Mapping[str, images.Image]
    secrets: Mapping[str, bytes]
    digest: str


def make_release(
    base: images.Base, platform: str, credentials: Mapping[str, Mapping[str, str]], registry: KeyPair
) -> Release:
    """Return the release that this version of piswarm makes of the cluster's credentials."""
    built = images.cluster_images(base)
    secrets = {
        "REGISTRY_CERT": registry.certificate,
        "REGISTRY_KEY": registry.private_key,
        "REGISTRY_HTPASSWD": credentials["registry"]["htpasswd"].encode(),
        "REGISTRY_CONFIG": docker_config(credentials),
        "BASIC_AUTH_USER": credentials["gateway"]["user"].encode(),
        "BASIC_AUTH_PASSWORD": credentials["gateway"]["password"].encode(),
    }
    digest = hashlib.sha256(STACK_FILE.read_bytes())
    for part in (
        platform,
        *(image.reference for image in built.values()),
        *(_secret_name(*secret) for secret in secrets.items()),
    ):
        digest.update(part.encode() + b"\0")
    return Release(base, platform, built, secrets, digest.hexdigest()[:16])


def docker_config(credentials: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return Docker's client configuration with the registry's password."""
    entry = credentials["registry"]
    token = base64.b64encode(f"{entry['user']}:{entry['password']}".encode()).decode()
    return json.dumps({"auths": {REGISTRY: {"auth": token}}}).encode()


def deploy_stack(connection: Connection, release: Release, console: Console) -> None:
    """Build what runs on the cluster, start it and wait until it does.

    Args:
        connection: to the manager that builds and holds the registry.
        release: what is to run.
        console: where progress is shown.

    Raises:
        BuildError: an image could not be built or pushed.
        SwarmError: a service did not start in time; the message has its last error.
    """
    on_line = console.progress
    with console.step("Debian base image", connection.node):
        images.make_base(connection, release.base, release.platform, on_line)
    for image in release.images.values():
        with console.step(f"Image {image.name}", connection.node):
            images.build(connection, image, release.platform, on_line)
    with engine_of(connection) as engine:
        variables = _variables(engine, release)
        with console.step("Registry", connection.node):
            variables["PISWARM_REGISTRY_IMAGE"] = release.images["registry"].reference
            # The gateway's image is not in the registry yet; its managers could not pull it.
            variables["PISWARM_GATEWAY_IMAGE"] = release.images["gateway"].reference
            _stack_deploy(connection, only_service(STACK_FILE.read_text(), "registry"), variables)
            wait_for_service(engine, f"{STACK}_registry", console)
        with console.step("Images into the registry", connection.node):
            for reference in (BASE_IMAGE, *(image.reference for image in release.images.values())):
                digest = images.push(connection, reference, on_line)
                if reference == release.images["gateway"].reference:
                    variables["PISWARM_GATEWAY_IMAGE"] = digest
        with console.step("Gateway"):
            _stack_deploy(connection, STACK_FILE.read_text(), variables)
            wait_for_service(engine, f"{STACK}_gateway", console)


def only_service(stack: str, service: str) -> str:
    """Return a stack file's text with one of its services and the secrets that this one uses."""
    document = yaml.safe_load(stack)
    kept = document["services"][service]
    used = {one if isinstance(one, str) else one["source"] for one in kept.get("secrets", [])}
    document["services"] = {service: kept}
    document["secrets"] = {name: one for name, one in document.get("secrets", {}).items() if name in used}
    return yaml.safe_dump(document, sort_keys=False)


def wait_for_service(
    engine: Engine, service: str, console: Console, timeout_s: float = SERVICE_TIMEOUT_S
) -> None:
    """Wait until all tasks of a service run in their newest version.

    Raises:
        SwarmError: the time was up or its update failed; the message has the last error of its tasks.
    """
    deadline = time.monotonic() + timeout_s
    told = ""
    while True:
        similar = engine.services(filters={"name": service}, status=True)
        found = [one for one in similar if one["Spec"]["Name"] == service]
        state, error = _service_state(engine, found[0]) if found else ("not there", "")
        if state == "running":
            return
        if state != told:
            console.progress(f"{service}: {state}{f' ({error})' if error else ''}")
            told = state
        if time.monotonic() > deadline:
            last = f"; last error: {error}" if error else ""
            raise SwarmError(
                f"{service} did not start within {timeout_s:.0f} s: {state}{last}.",
                f"See 'docker service ps --no-trunc {service}' and 'docker service logs {service}' on the manager.",
            )
        time.sleep(0.5)


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
                f"See 'docker service logs {STACK}_gateway' on the manager.",
            )
        time.sleep(0.3)


def _service_state(engine: Engine, service: dict[str, Any]) -> tuple[str, str]:
    """Return `running` or what is still missing, and the newest error of the service's tasks."""
    status = service["ServiceStatus"]
    update = (service.get("UpdateStatus") or {}).get("State", "")
    tasks = engine.tasks(filters={"service": service["ID"]})
    newest = max(tasks, key=lambda task: task["UpdatedAt"], default=None)
    failed = [task for task in tasks if task["Status"].get("Err")]
    error = max(failed, key=lambda task: task["UpdatedAt"])["Status"]["Err"] if failed else ""
    if update in {"paused", "rollback_started", "rollback_paused", "rollback_completed"}:
        return f"its update failed ({update})", error
    container = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    running = [
        task
        for task in tasks
        if task["DesiredState"] == task["Status"]["State"] == "running"
        and task["Spec"]["ContainerSpec"] == container
    ]
    desired = status["DesiredTasks"]
    if update != "updating" and running and len(running) >= desired:
        return "running", ""
    last = newest["Status"]["State"] if newest else "none yet"
    return f"{len(running)} of {desired} running, newest task: {last}", error


def _variables(engine: Engine, release: Release) -> dict[str, str]:
    """Create the Swarm secrets and return the stack file's variables."""
    variables = {
        "PISWARM_RELEASE": release.digest,
        "PISWARM_PYTHON3_IMAGE": release.images["python3"].reference,
    }
    existing = {one["Spec"]["Name"] for one in engine.secrets(filters={"label": f"{RELEASE_LABEL}=secret"})}
    for key, content in release.secrets.items():
        name = _secret_name(key, content)
        if name not in existing:
            engine.create_secret(name, content, labels={RELEASE_LABEL: "secret"})
        variables[f"PISWARM_SECRET_{key}"] = name
    return variables


def _secret_name(key: str, content: bytes) -> str:
    """Swarm's secrets cannot be changed, so each content has a name of its own."""
    return f"{STACK}_{key.lower().replace('_', '-')}_{hashlib.sha256(content).hexdigest()[:8]}"


def _stack_deploy(connection: Connection, stack: str, variables: Mapping[str, str]) -> None:
    environment = quote(
        "env", f"DOCKER_CONFIG={STATE_DIR}/docker", *(f"{k}={v}" for k, v in variables.items())
    )
    command = f"{environment} docker stack deploy --with-registry-auth --resolve-image never -c - {STACK}"
    connection.run(command, stdin=stack, timeout_s=120)
