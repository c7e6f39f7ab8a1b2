"""The cluster's deployer: an image that is made when the first hook is, and what the gateway must know to run it."""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import BASE_IMAGE, STATE_DIR
from piswarm.errors import BuildError
from piswarm.functions.prune import prune_local
from piswarm.gateway.delivery import DEPLOYER_LABEL

if TYPE_CHECKING:
    from piswarm.cluster.engine import Engine
    from piswarm.cluster.shell import Shell
    from piswarm.functions.site import Site

_TIMEOUT_S = 60.0


def ensure_deployer(site: Site) -> None:
    """Have the deployer of this release of piswarm in the cluster.

    Raises:
        BuildError: its image could not be made, or the manager lacks what it is made from.
        SwarmError: the engine refuses to keep what the gateway must know.
    """
    from piswarm.cluster import images  # noqa: PLC0415

    user, group = _owner(site.manager)
    image = images.deployer_image(_base_id(site.manager), user, group)
    with site.engine() as engine:
        if any(config["Spec"]["Name"] == _config_name(image.reference) for config in _configs(engine)):
            return
        with (
            site.console.step("Image of the deployer", site.manager.node),
            site.building("the deployer", site.manager),
        ):
            images.build(site.manager, image, site.cluster.platform, site.console.progress)
            pushed = images.push(site.manager, image.reference, site.console.progress)
        _publish(engine, image.reference, {"image": pushed, "user": user})
        prune_local(engine, f"piswarm/{image.name}", [image.reference])


def _publish(engine: Engine, reference: str, document: dict[str, str]) -> None:
    """Tell the gateways; the newest config counts, so there is one at any time."""
    former = _configs(engine)
    engine.create_config(
        name=_config_name(reference), data=json.dumps(document).encode(), labels={DEPLOYER_LABEL: "image"}
    )
    for config in former:
        engine.remove_config(config["ID"])


def _configs(engine: Engine) -> list[dict[str, dict[str, str]]]:
    return list(engine.configs(filters={"label": [DEPLOYER_LABEL]}))


def _config_name(reference: str) -> str:
    return f"piswarm-deployer-{hashlib.sha256(reference.encode()).hexdigest()[:12]}"


def _owner(shell: Shell) -> tuple[str, str]:
    """Return the ids of the user and the group that own piswarm's state on the node."""
    owner = shell.run(shlex.join(["stat", "--format", "%u %g", STATE_DIR]), timeout_s=_TIMEOUT_S)
    user, group = owner.stdout.split()
    return user, group


def _base_id(shell: Shell) -> str:
    command = shlex.join(["docker", "image", "inspect", "--format", "{{.Id}}", BASE_IMAGE])
    result = shell.run(command, timeout_s=_TIMEOUT_S, check=False)
    if result.exit_code != 0:
        raise BuildError(
            f"{shell.node} does not have the cluster's base image, from which the deployer is made.",
            "Run 'piswarm init' again: it brings it.",
        )
    return result.stdout.strip()
