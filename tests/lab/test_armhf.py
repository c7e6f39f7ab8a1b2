"""The 32-bit claim: every image of a cluster built for linux/arm/v7, and a function served from them.

Emulated by QEMU; what is slow here is native on a Pi.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from piswarm.lab.emulation import armhf_emulation
from tests.lab.laboratory import ARMHF_LAB, Workplace, lab_up, page_served

pytestmark = pytest.mark.lab

BASE_WITHIN_S = 900
INIT_WITHIN_S = 1200
DEPLOY_WITHIN_S = 600
INVOKE_WITHIN_S = 120
INSPECT = "docker image inspect --format '{{index .RepoTags 0}} {{.Architecture}}{{.Variant}}' $(docker image ls -q)"


@pytest.fixture(scope="module")
def armhf_cluster(tmp_path_factory) -> Iterator[Workplace]:
    """A cluster of one node, all of whose images are for linux/arm/v7."""
    with armhf_emulation(), lab_up(Workplace(ARMHF_LAB, tmp_path_factory.mktemp("home")), 1) as user:
        base = user.piswarm("lab", "base", "--arch", "armhf", within_s=BASE_WITHIN_S).stdout.strip()
        user.piswarm(
            "init", "--lab", "--yes", "--image-arch", "armhf", "--base-image", base, within_s=INIT_WITHIN_S
        )
        # The probe sees an amd64 userland; what runs armhf here is the emulation, and only we know of it.
        user.on_node("pi1", "docker node update --label-add piswarm.arch=armhf pi1")
        yield user


def test_a_function_built_for_armv7_answers_through_a_gateway_built_for_armv7(
    armhf_cluster: Workplace, source: Path
):
    user = armhf_cluster
    user.piswarm("deploy", "functest", cwd=source, within_s=DEPLOY_WITHIN_S)
    with page_served(user) as page:
        body = json.dumps({"url": page, "term": "raspberries"})
        answer = user.piswarm("invoke", "functest", "--data", body, within_s=INVOKE_WITHIN_S)
    assert json.loads(answer.stdout) == {"found": True}

    images = dict(line.split() for line in user.on_node("pi1", INSPECT).splitlines())
    kinds = {name.rpartition("/")[2].partition(":")[0] for name in images}
    assert kinds >= {"base", "gateway", "registry", "python3", "functest"}
    assert set(images.values()) == {"armv7"}, images
    for service in ("piswarm_gateway", "functest"):
        inside = f"docker exec $(docker ps -q -f label=com.docker.swarm.service.name={service}) uname -m"
        assert user.on_node("pi1", inside).strip() == "armv7l"
