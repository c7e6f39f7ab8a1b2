"""The image of a freshly flashed Pi: made once from its recipe, kept until the recipe changes."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image
from requests.exceptions import ConnectionError as EngineTimeoutError

from piswarm.errors import LabError
from piswarm.lab import base, engine
from piswarm.lab.base import Base
from piswarm.lab.certificates import bundle_path, own_authorities
from piswarm.lab.mirror import read_mirror
from piswarm.lab.names import LABEL
from piswarm.lab.recipe import LOGIN_PASSWORD, LOGIN_USER, BaseRecipe, NodeRecipe, archive, node_files

IMAGE_LABEL = f"{LABEL}.image"
_NODE_REPOSITORY = "piswarm-lab/node"
_BASE_REPOSITORY = "piswarm-lab/base"
_BOOT_COMMAND = "/usr/local/sbin/boot-as-pi"
_UNFINISHED = "unfinished"
_CHILDREN_FIRST = ("node", "base")
_PREPARE_WITHIN_S = 600
_LOG_LINES = 5


def ensure_node_image(client: docker.DockerClient, cache: Path, say: Callable[[str], None]) -> Image:
    """Return the node image for the engine's architecture; make it if its recipe is new.

    Args:
        client: the engine.
        cache: folder for what can be made again.
        say: told what is done, when there is something to do.

    Raises:
        LabError: it could not be made; the message holds the last lines of what failed.
    """
    with _one_at_a_time(cache):
        bare = ensure_base(client, cache, say)
        recipe = NodeRecipe(bare.digest, node_files(_authorities()))
        try:
            return client.images.get(f"{_NODE_REPOSITORY}:{recipe.digest}")
        except ImageNotFound:
            say("making the image of a freshly flashed Pi")
            with engine.telling("The node image could not be made"):
                return _make(client, recipe, _base_image(client, bare))


def ensure_base(
    client: docker.DockerClient, cache: Path, say: Callable[[str], None], architecture: str = ""
) -> Base:
    """Return the bare Debian that images start from; make or pull it if it is missing.

    Args:
        client: the engine.
        cache: folder for what can be made again.
        say: told what is done, when there is something to do.
        architecture: in Debian's words; empty means the engine's own.

    Raises:
        LabError: it could not be made or pulled.
    """
    native = engine.debian_architecture(client)
    wanted = architecture or native
    mirror = read_mirror()
    if mirror is not None and base.can_make_archive(mirror):
        return base.make(wanted, mirror, cache, native=wanted == native, say=say)
    base.ensure_from_hub(client, say)
    return Base(BaseRecipe(wanted, ()).digest, None)


def remove_images(client: docker.DockerClient) -> None:
    """Remove every image that a lab made and that no other lab uses."""
    with engine.telling("The lab's images could not be removed"):
        for kind in _CHILDREN_FIRST:
            for image in client.images.list(filters={"label": f"{IMAGE_LABEL}={kind}"}):
                _remove_unless_used(client, str(image.id))


def _remove_unless_used(client: docker.DockerClient, image: str) -> None:
    try:
        client.images.remove(image)
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise


def _authorities() -> dict[str, str]:
    """Return what this machine trusts beyond Debian's own list, read from where administrators add to it."""
    bundle = bundle_path()
    mozilla = Path("/usr/share/ca-certificates/mozilla")
    if not bundle.is_file() or not mozilla.is_dir():
        return {}
    return own_authorities(bundle.read_text(), "\n".join(file.read_text() for file in mozilla.glob("*.crt")))


def _base_image(client: docker.DockerClient, bare: Base) -> str:
    if bare.archive is None:
        return base.HUB_REFERENCE
    reference = f"{_BASE_REPOSITORY}:{bare.digest}"
    try:
        client.images.get(reference)
    except ImageNotFound:
        client.api.import_image_from_file(
            str(bare.archive),
            repository=_BASE_REPOSITORY,
            tag=bare.digest,
            changes=[f"LABEL {IMAGE_LABEL}=base"],
        )
    return reference


def _make(client: docker.DockerClient, recipe: NodeRecipe, base_image: str) -> Image:
    for leftover in client.containers.list(all=True, filters={"label": f"{IMAGE_LABEL}={_UNFINISHED}"}):
        leftover.remove(force=True, v=True)
    container = client.containers.create(
        base_image,
        ["/root/prepare", *recipe.packages],
        labels={IMAGE_LABEL: _UNFINISHED},
    )
    try:
        login = f"{LOGIN_USER}:{LOGIN_PASSWORD}\n".encode()
        scratch = {"root/prepare": (recipe.prepare, 0o755), "root/login": (login, 0o600)}
        container.put_archive("/", archive({**recipe.files, **scratch}))
        container.start()
        _wait_until_prepared(container)
        return container.commit(
            _NODE_REPOSITORY,
            recipe.digest,
            changes=[f'CMD ["{_BOOT_COMMAND}"]', f"LABEL {IMAGE_LABEL}=node"],
        )
    finally:
        container.remove(force=True, v=True)


def _wait_until_prepared(container: Container) -> None:
    try:
        code = container.wait(timeout=_PREPARE_WITHIN_S)["StatusCode"]
    except EngineTimeoutError as error:
        raise LabError(
            f"The node image was not made after {_PREPARE_WITHIN_S} s: {_last_lines(container)}"
        ) from error
    if code != 0:
        raise LabError(
            f"The node image could not be made (exit code {code}): {_last_lines(container)}",
            "Containers need the Debian mirror: is there a network, and is the mirror in reach?",
        )


def _last_lines(container: Container) -> str:
    return "; ".join(container.logs(tail=_LOG_LINES).decode(errors="replace").strip().splitlines())


@contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    """Keep two labs that start at the same time from making the same image twice."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
