"""The main job, as the README tells it. Each test goes on where the one before it ended."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from pathlib import Path

import pexpect
import pytest
import requests
from playwright.sync_api import expect
from support.browser import chromium

from piswarm.cluster.inventory import load_cluster
from piswarm.settings import Settings
from tests.lab.laboratory import (
    ARTIFACTS,
    COMMAND_WITHIN_S,
    DEPLOY_WITHIN_S,
    NODES,
    ROOT,
    Outcome,
    Workplace,
    commit_all,
)

pytestmark = pytest.mark.lab

MANAGER = NODES[0]
SCALE_WITHIN_S = 60
PAGE_WITHIN_MS = 20_000


def test_fresh_nodes_are_booted_and_have_no_docker(lab: Workplace):
    status = lab.piswarm("lab", "status", "--json").document()
    assert [(node["name"], node["state"]) for node in status["nodes"]] == [
        (node, "running") for node in NODES
    ]
    for node in NODES:
        assert lab.on_node(node, "systemctl is-system-running").strip() == "running"
        assert lab.on_node(node, "command -v docker dockerd || echo none").strip() == "none"


def test_a_wrong_password_is_told_in_a_sentence(lab: Workplace):
    outcome = lab.try_piswarm(
        "--no-input",
        "init",
        "--interface",
        lab.lab.interface,
        "--user",
        "pi",
        "--yes",
        PISWARM_PASSWORD="wrong",
    )
    refused(outcome, "password")


def test_a_network_without_nodes_is_told_in_a_sentence(lab: Workplace):
    outcome = lab.try_piswarm(
        "--no-input", "init", "--interface", "lo", "--user", "pi", "--yes", PISWARM_PASSWORD="raspberry"
    )
    refused(outcome, "node")


def test_on_a_terminal_a_person_chooses_nodes_and_may_say_no(lab: Workplace):
    words = ["-m", "piswarm", "init", "--interface", lab.lab.interface, "--user", "pi"]
    talk = pexpect.spawn(
        sys.executable, words, env=lab.environment | {"TERM": "xterm"}, cwd=str(ROOT),
        timeout=COMMAND_WITHIN_S, encoding="utf-8",
    )  # fmt: skip
    talk.expect("Which nodes")
    talk.sendline("2-3")
    talk.expect("Password of user 'pi'")
    talk.sendline("raspberry")
    talk.expect("Do this on 2 nodes")
    plan = talk.before
    talk.sendline("n")
    talk.expect("Nothing was changed")
    talk.expect(pexpect.EOF)
    talk.close()
    assert talk.exitstatus == 1
    assert "start the Swarm" in plan
    assert "pi1" not in plan
    assert "raspberry" not in plan
    assert lab.on_node("pi2", "command -v docker || echo none").strip() == "none"


def test_init_switches_on_what_nodes_lack(cluster: Workplace):
    assert cluster.on_node(NODES[1], "systemctl is-enabled systemd-timesyncd").strip() == "enabled"
    assert cluster.on_node(NODES[2], "cat /boot/firmware/cmdline.txt").count("cgroup_enable=memory") == 1
    accounts = "grep -qw memory /sys/fs/cgroup/cgroup.controllers || test -d /sys/fs/cgroup/memory"
    cluster.on_node(NODES[2], accounts)


def test_init_makes_a_swarm_of_all_nodes(cluster: Workplace):
    listed = cluster.on_node(MANAGER, "docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'")
    assert sorted(listed.split("\n")[:-1]) == [f"{node} Ready Active" for node in NODES]


def test_a_second_init_changes_nothing(cluster: Workplace):
    assert "nothing to change" in cluster.piswarm("init", "--lab", "--yes").told.lower()


def test_the_labs_ssh_uses_the_clusters_key(cluster: Workplace):
    assert cluster.piswarm("lab", "ssh", "pi2", "--", "hostname").stdout == "pi2\n"


def test_a_folder_outside_git_is_told_in_a_sentence(cluster: Workplace, tmp_path: Path):
    cluster.piswarm("new", "outside", cwd=tmp_path)
    shutil.rmtree(tmp_path / ".git")
    refused(cluster.try_piswarm("deploy", "outside", cwd=tmp_path), "git")


def test_an_unknown_function_is_told_in_a_sentence(cluster: Workplace):
    refused(cluster.try_piswarm("invoke", "nosuch", "--data", ""), "nosuch")


def test_the_example_answers(functest: Workplace, page: str):
    found = functest.piswarm("invoke", "functest", "--data", question(page, "raspberries"))
    missed = functest.piswarm("invoke", "functest", "--data", question(page, "blackberries"))
    assert json.loads(found.stdout) == {"found": True}
    assert json.loads(missed.stdout) == {"found": False}


def test_the_example_is_listed(functest: Workplace):
    assert "functest" in functest.piswarm("list").stdout


def test_every_replica_on_every_node_answers(functest: Workplace, page: str):
    scale(functest, "functest", len(NODES))
    ran = "docker service ps functest --filter desired-state=running --format '{{.Node}} {{.CurrentState}}'"
    assert {line.split()[0] for line in functest.on_node(MANAGER, ran).splitlines()} == set(NODES)
    answers = ask_each_replica(functest, "functest", question(page, "raspberries"))
    assert len(answers) == len(NODES)
    assert all(json.loads(answer) == {"found": True} for answer in answers.values()), answers


def test_the_page_in_a_browser_lists_and_invokes_the_example(functest: Workplace, page: str):
    address, credentials = gateway(functest)
    ARTIFACTS.mkdir(exist_ok=True)
    with chromium() as browser:
        tab = browser.new_page(http_credentials={"username": credentials[0], "password": credentials[1]})
        try:
            tab.goto(f"{address}/ui/")
            tab.get_by_text("functest", exact=True).first.click()
            tab.get_by_role("textbox", name="Body").fill(question(page, "raspberries"))
            tab.get_by_role("button", name="Invoke").click()
            expect(tab.get_by_text('"found": true')).to_be_visible(timeout=PAGE_WITHIN_MS)
        finally:
            tab.screenshot(path=ARTIFACTS / "ui.png")


def test_a_handler_that_raises_is_told_in_a_sentence(functest: Workplace, tmp_path: Path):
    functest.piswarm("new", "broken", cwd=tmp_path)
    (tmp_path / "broken/handler.py").write_text(
        "def handle(req):\n    raise RuntimeError('out of raspberries')\n"
    )
    functest.piswarm("deploy", "broken", cwd=commit_all(tmp_path), within_s=DEPLOY_WITHIN_S)
    refused(functest.try_piswarm("invoke", "broken", "--data", ""), "out of raspberries")
    functest.piswarm("remove", "broken", "--yes")
    assert "broken" not in functest.piswarm("list").stdout


def refused(outcome: Outcome, word: str) -> None:
    """Check that the command failed as expected failures do: code 1, a sentence with `word`, no traceback."""
    assert outcome.code == 1, outcome.told
    assert "Error: " in outcome.stderr
    assert word in outcome.stderr
    assert "Traceback" not in outcome.told


def question(page: str, term: str) -> str:
    return json.dumps({"url": page, "term": term})


def gateway(user: Workplace) -> tuple[str, tuple[str, str]]:
    """Return the gateway's address and credentials, from the cluster's record."""
    record = load_cluster(Settings(home=user.home, cache=user.home))
    user, password = record.gateway_credentials
    return record.gateway_url, (user, password.reveal())


def scale(user: Workplace, function: str, replicas: int) -> None:
    """Have `replicas` replicas of the function, and wait until the gateway counts them all as available."""
    address, credentials = gateway(user)
    body = {"serviceName": function, "replicas": replicas}
    asked = requests.post(
        f"{address}/system/scale-function/{function}", json=body, auth=credentials, timeout=10
    )
    assert asked.status_code == 202, asked.text
    ends = time.monotonic() + SCALE_WITHIN_S
    while True:
        told = requests.get(f"{address}/system/function/{function}", auth=credentials, timeout=10).json()
        if told["availableReplicas"] == replicas:
            return
        assert time.monotonic() < ends, f"not scaled after {SCALE_WITHIN_S} s: {told}"
        time.sleep(0.5)


def ask_each_replica(user: Workplace, function: str, body: str) -> dict[str, str]:
    """Return each replica's answer by its address, asked over the overlay network from inside the gateway."""
    container = user.on_node(
        MANAGER, "docker ps --quiet --filter label=com.docker.swarm.service.name=piswarm_gateway"
    ).strip()
    command = ["docker", "exec", "--interactive", container, "python3", "-c", ASK_EACH, function, body]
    return json.loads(user.on_node(MANAGER, shlex.join(command)))


ASK_EACH = """
import json, socket, sys, urllib.request
function, body = sys.argv[1:]
found = socket.getaddrinfo(f"tasks.{function}", 8080, socket.AF_INET, socket.SOCK_STREAM)
answers = {}
for address in {entry[4][0] for entry in found}:
    with urllib.request.urlopen(f"http://{address}:8080/", body.encode(), timeout=20) as answer:
        answers[address] = answer.read().decode()
print(json.dumps(answers))
"""
