"""Secrets, logs and the rest of what one asks of a function that runs."""

from __future__ import annotations

import json
import time

import pytest

from tests.lab.laboratory import DEPLOY_WITHIN_S, NODES, Workplace, commit_all

pytestmark = pytest.mark.lab

WITHIN_S = 30.0
SECRET = "rhubarb-under-glass-58"
HANDLER = """
import os
import sys

def handle(req):
    print("a line for the log", file=sys.stderr, flush=True)
    with open("/var/openfaas/secrets/lab-key") as secret:
        return {"secret": secret.read(), "level": os.environ["LEVEL"], "query": os.environ["Http_Query"]}
"""
STACK = """
functions:
  teller:
    lang: python3-http
    handler: ./teller
    image: teller
    environment:
      LEVEL: ${LAB_LEVEL:-info}
    secrets: [lab-key]
    labels:
      com.openfaas.scale.min: 2
    limits: {memory: 64Mi}
"""


@pytest.fixture(scope="module")
def teller(cluster: Workplace, tmp_path_factory) -> Workplace:
    """A function that tells a secret."""
    folder = tmp_path_factory.mktemp("teller")
    cluster.piswarm("new", "teller", cwd=folder)
    (folder / "teller.yml").write_text(STACK)
    (folder / "teller" / "handler.py").write_text(HANDLER)
    refused = cluster.try_piswarm("deploy", "teller", cwd=commit_all(folder), within_s=DEPLOY_WITHIN_S)
    assert (refused.code, "piswarm secret create lab-key" in refused.told) == (1, True), refused.told
    cluster.piswarm("secret", "create", "lab-key", stdin=f"{SECRET}\n")
    cluster.piswarm("deploy", "teller", cwd=folder, within_s=DEPLOY_WITHIN_S)
    yield cluster
    cluster.piswarm("remove", "teller", "--yes")
    cluster.piswarm("secret", "remove", "lab-key", "--yes")


def ask(user: Workplace) -> dict:
    return json.loads(user.piswarm("invoke", "teller", "--path", "?x=1", "--data", "").stdout)


def test_a_function_finds_its_secret_its_environment_and_the_request(teller: Workplace):
    assert ask(teller) == {"secret": SECRET, "level": "info", "query": "x=1"}


def test_secrets_are_listed_by_name_only(teller: Workplace):
    listed = teller.piswarm("secret", "list").told
    assert "lab-key" in listed
    assert SECRET not in listed
    described = teller.piswarm("describe", "teller", "--json")
    assert described.document()["function"]["secrets"] == ["lab-key"]
    assert SECRET not in described.told


def test_a_secret_is_in_no_image_no_log_and_on_no_command_line(teller: Workplace):
    image = teller.piswarm("describe", "teller", "--json").document()["function"]["image"]
    for command in (
        f"docker history --no-trunc {image}",
        f"docker image inspect {image}",
        "docker service inspect teller",
        "journalctl --no-pager",
        "docker service logs teller 2>&1",
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
    ):
        assert SECRET not in teller.on_node(NODES[0], command), command
    assert SECRET not in teller.piswarm("logs", "teller").stdout


def test_a_changed_secret_reaches_the_function(teller: Workplace):
    teller.piswarm("secret", "update", "lab-key", stdin="second")
    deadline = time.monotonic() + WITHIN_S
    while (answer := ask(teller)["secret"]) != "second":
        assert time.monotonic() < deadline, f"after {WITHIN_S} s it still answers {answer}"
        time.sleep(0.5)


def test_logs_come_from_every_replica(teller: Workplace):
    for _ in range(6):
        ask(teller)
    deadline = time.monotonic() + WITHIN_S
    while True:
        lines = [json.loads(line) for line in teller.piswarm("logs", "teller", "--json").stdout.splitlines()]
        told = {line["instance"] for line in lines if line["text"] == "a line for the log"}
        if len(told) >= 2:
            break
        assert time.monotonic() < deadline, f"after {WITHIN_S} s only {told} wrote"
        time.sleep(0.5)
    assert teller.piswarm("logs", "teller", "--tail", "1").stdout.count("\n") >= 1


def test_limits_and_labels_reach_the_swarm(teller: Workplace):
    wanted = "docker service inspect teller --format '{{.Spec.TaskTemplate.Resources.Limits.MemoryBytes}}'"
    assert teller.on_node(NODES[0], wanted).strip() == str(64 * 2**20)
    assert teller.piswarm("describe", "teller", "--json").document()["function"]["replicas"] == 2


def test_scaling_by_hand(teller: Workplace):
    teller.piswarm("scale", "teller", "1")
    deadline = time.monotonic() + WITHIN_S
    while True:
        status = teller.piswarm("describe", "teller", "--json").document()["function"]
        if (status["replicas"], status["availableReplicas"]) == (1, 1):
            break
        assert time.monotonic() < deadline, f"after {WITHIN_S} s: {status}"
        time.sleep(0.5)
    assert ask(teller)["level"] == "info"
