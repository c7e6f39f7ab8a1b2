"""The 32-bit claim: every image of a cluster built for linux/arm/v7, and functions served from them.

Emulated by QEMU; what is slow here is native on a Pi.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from piswarm.lab.emulation import armhf_emulation
from tests.lab.laboratory import ARMHF_LAB, ROOT, Workplace, commit_all, lab_up, page_served

pytestmark = pytest.mark.lab

BASE_WITHIN_S = 900
INIT_WITHIN_S = 1200
DEPLOY_WITHIN_S = 600
INVOKE_WITHIN_S = 120
KIND = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
REGISTRY = "docker exec $(docker ps --quiet --filter name=piswarm_registry)"
BLOBS = "/var/lib/registry/docker/registry/v2/blobs/sha256"
INSPECT = "docker image inspect --format '{{index .RepoTags 0}} {{.Architecture}}{{.Variant}}' $(docker image ls -q)"


@pytest.fixture(scope="module")
def armhf_cluster(tmp_path_factory) -> Iterator[Workplace]:
    """A cluster whose images are for linux/arm/v7, with a worker of another kind."""
    with armhf_emulation(), lab_up(Workplace(ARMHF_LAB, tmp_path_factory.mktemp("home")), 2) as user:
        base = user.piswarm("lab", "base", "--arch", "armhf", within_s=BASE_WITHIN_S).stdout.strip()
        other = f"{KIND}={user.piswarm('lab', 'base', within_s=BASE_WITHIN_S).stdout.strip()}"
        bases = ("--image-arch", "armhf", "--base-image", base, "--base-image", other)
        user.piswarm("init", "--lab", "--yes", *bases, within_s=INIT_WITHIN_S)
        # The probe sees an amd64 userland; what runs armhf here is the emulation, and only we know of it.
        user.on_node("pi1", "docker node update --label-add piswarm.arch=armhf pi1")
        yield user


def test_a_function_built_for_armv7_answers_through_a_gateway_built_for_armv7(
    armhf_cluster: Workplace, tmp_path: Path
):
    user = armhf_cluster
    shutil.copytree(ROOT / "stacks/functest", tmp_path, dirs_exist_ok=True)
    with (tmp_path / "functest.yml").open("a") as file:
        file.write('    constraints: ["node.labels.piswarm.arch == armhf"]\n')
    user.piswarm("deploy", "functest", cwd=commit_all(tmp_path), within_s=DEPLOY_WITHIN_S)
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


def test_a_function_is_built_natively_for_each_kind_of_node_and_joined(
    armhf_cluster: Workplace, tmp_path: Path
):
    user = armhf_cluster
    user.piswarm("new", "both", cwd=tmp_path)
    (tmp_path / "both" / "handler.py").write_text("def handle(req):\n    return 'here'\n")
    deployed = user.piswarm("deploy", "both", "--json", cwd=commit_all(tmp_path), within_s=DEPLOY_WITHIN_S)
    told = [json.loads(line) for line in deployed.stderr.splitlines()]
    assert {line.get("node") for line in told if "handler.py" in line["text"]} == {"pi1", "pi2"}, told
    assert user.piswarm("invoke", "both", "--data", "", within_s=INVOKE_WITHIN_S).stdout == "here"

    digest = deployed.document()["image"].partition("@sha256:")[2]
    index = json.loads(user.on_node("pi1", f"{REGISTRY} cat {BLOBS}/{digest[:2]}/{digest}/data"))
    assert {one["platform"]["architecture"] for one in index["manifests"]} == {"arm", KIND}
    worker = json.loads(
        user.on_node("pi2", "docker image inspect $(docker image ls --quiet '*/functions/both')")
    )
    assert {image["Architecture"] for image in worker} == {KIND}
    again = user.piswarm("deploy", "both", "--json", cwd=tmp_path)
    assert again.document()["changed"] is False
