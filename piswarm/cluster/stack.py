"""The registry and the gateway on the Swarm: secrets, images, the stack, and the wait until it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import yaml

from piswarm.cluster import images
from piswarm.cluster.connect import Connection, quote
from piswarm.cluster.converge import wait_for_service
from piswarm.cluster.engine import Engine, engine_of
from piswarm.cluster.inventory import BASE_IMAGE, STATE_DIR
from piswarm.cluster.older_images import remove_older
from piswarm.cluster.registry import delete_images, login_file
from piswarm.cluster.swarm import RELEASE_LABEL, STACK
from piswarm.cluster.trust import KeyPair
from piswarm.console import Console
from piswarm.errors import PiswarmError
from piswarm.settings import STACKS

STACK_FILE = STACKS / "gateway.yml"


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
    base: images.Base,
    platform: str,
    credentials: Mapping[str, Mapping[str, str]],
    registry: KeyPair,
    prebuilt: Mapping[str, str] | None = None,
) -> Release:
    """Return the release that this version of piswarm makes of the cluster's credentials.

    Args:
        base: what the images that are built start from.
        platform: platform of the images, for example `linux/arm/v7`.
        credentials: users and passwords of the gateway and the registry.
        registry: the registry's certificate and key.
        prebuilt: references of images that are pulled instead of built, by name.
    """
    built = images.cluster_images(base, prebuilt)
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
    return login_file(entry["user"], entry["password"])


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
    with console.step("Debian base image", connection.node):
        images.make_base(connection, release.base, release.platform, console.progress)
    with engine_of(connection) as engine:
        variables = _variables(engine, release)
        with console.step("Registry", connection.node):
            images.build(connection, release.images["registry"], release.platform, console.progress)
            _stack_deploy(connection, only_service(STACK_FILE.read_text(), "registry"), variables)
            wait_for_service(connection, engine, f"{STACK}_registry", release.digest, console)
        with console.step("Images of gateway and functions", connection.node):
            published = _publish(connection, release, console)
            variables["PISWARM_GATEWAY_IMAGE"] = published["gateway"]
        with console.step("Gateway"):
            _stack_deploy(connection, STACK_FILE.read_text(), variables)
            wait_for_service(connection, engine, f"{STACK}_gateway", release.digest, console)
    _make_room(connection, release, published, console)


def _make_room(
    connection: Connection, release: Release, published: Mapping[str, str], console: Console
) -> None:
    """Remove the images of earlier releases; that it cannot be done is only told."""
    try:
        for name, image in release.images.items():
            delete_images(connection, f"piswarm/{name}", [published[name]])
            remove_older(connection, image.reference)
    except PiswarmError as error:
        console.warn(str(error), connection.node)


def _publish(connection: Connection, release: Release, console: Console) -> dict[str, str]:
    """Build all images and push them to the registry, side by side; return their references by digest."""

    def publish(name: str) -> str:
        image = release.images.get(name)
        reference = image.reference if image else BASE_IMAGE

        def tell(line: str) -> None:
            console.progress(f"{name}: {line}")

        if image:
            images.build(connection, image, release.platform, tell)
        return images.push(connection, reference, tell)

    names = ("base", *release.images)
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        return dict(zip(names, pool.map(publish, names), strict=True))


def only_service(stack: str, service: str) -> str:
    """Return a stack file's text with one of its services and the secrets that this one uses."""
    document = yaml.safe_load(stack)
    kept = document["services"][service]
    used = {one if isinstance(one, str) else one["source"] for one in kept.get("secrets", [])}
    document["services"] = {service: kept}
    document["secrets"] = {name: one for name, one in document.get("secrets", {}).items() if name in used}
    return yaml.safe_dump(document, sort_keys=False)


def _variables(engine: Engine, release: Release) -> dict[str, str]:
    """Create the Swarm secrets and return the stack file's variables."""
    variables = {
        "PISWARM_RELEASE": release.digest,
        "PISWARM_REGISTRY_IMAGE": release.images["registry"].reference,
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
