"""What a user's evening throws at `init`, `node`, `doctor` and `reset`. Each test goes on from the one before."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.laboratory import FAILURE_LAB, NODES, ROOT, Outcome, Workplace, lab_up

pytestmark = pytest.mark.lab

INIT_WITHIN_S = 600
PASSWORD = "correct-horse-battery-37"
STEP_ENDED = re.compile(r"^✓ (?P<step>[^(]+) \(\d+\.\d s\)$")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Workplace]:
    """Three bare nodes of these tests' own, with a password that stands nowhere else."""
    with lab_up(Workplace(FAILURE_LAB, tmp_path_factory.mktemp("failures")), len(NODES)) as user:
        for node in NODES:
            user.on_node(node, f"echo 'pi:{PASSWORD}' | chpasswd")
        yield user


@pytest.fixture(scope="module")
def transcript() -> list[str]:
    """Everything that the commands of these tests said."""
    return []


def init(home: Workplace, **environment: str) -> Outcome:
    words = init_words(home)
    return home.try_piswarm(*words, within_s=INIT_WITHIN_S, PISWARM_PASSWORD=PASSWORD, **environment)


def init_words(home: Workplace) -> list[str]:
    image = base_image(home)
    words = [
        "--no-input",
        "--cluster",
        home.lab.name,
        "init",
        "--interface",
        home.lab.interface,
        "--user",
        "pi",
    ]
    return [*words, "--docker-source", "distro", "--base-image", image, "--yes"]


def base_image(home: Workplace) -> str:
    from piswarm.console import Console
    from piswarm.lab.facts import read_facts
    from piswarm.settings import Settings

    return read_facts(Settings.from_environment(home.environment), Console(quiet=True), home.lab).base_image


def reset(home: Workplace) -> Outcome:
    words = ("reset", "--confirm", home.lab.name, "--purge")
    return home.try_piswarm(*words, within_s=240, PISWARM_PASSWORD=PASSWORD)


def has_docker(home: Workplace, node: str) -> bool:
    return home.on_node(node, "command -v dockerd || echo none").strip() != "none"


def test_all_faults_of_all_nodes_come_before_anything_is_changed(home: Workplace, transcript: list[str]):
    home.on_node("pi1", "deluser pi sudo")
    home.on_node(
        "pi2",
        "mkdir /run/full && mount -t tmpfs -o size=8m full /var/lib/apt && mount --bind /var/lib/apt /var/lib",
    )
    try:
        outcome = init(home)
    finally:
        home.on_node("pi1", "adduser pi sudo")
        home.on_node("pi2", "umount /var/lib; umount /var/lib/apt; rmdir /run/full")
    transcript.append(outcome.told)
    assert outcome.code == 1
    assert re.search(r"pi1: the login user may not use sudo", outcome.stderr)
    assert re.search(r"pi2: .*MiB are free", outcome.stderr)
    assert "nothing was changed" in outcome.stderr
    assert "Traceback" not in outcome.told
    assert not any(has_docker(home, node) for node in NODES)


def test_killed_after_each_step_and_run_again_it_ends_in_a_healthy_swarm(
    home: Workplace, transcript: list[str]
):
    survived: list[str] = []
    with watched_command_lines() as command_lines:
        while (step := run_until_a_new_step_ends(home, survived, transcript)) is not None:
            survived.append(step)
            assert len(survived) < 40, survived
        healthy(home)
    for needed in ("key", "Ansible", "Swarm", "base image", "Registry", "Images", "Gateway"):
        assert any(needed in step for step in survived), (needed, survived)
    again = init(home)
    transcript.append(again.told)
    assert again.code == 0
    assert "Nothing to change" in again.stderr
    for name, secret in secrets_of(home).items():
        leaks = [line for line in command_lines if secret in line]
        assert not leaks, f"{name} was seen on a command line: {leaks[0].replace(secret, '***')}"


def test_no_secret_stands_where_others_read(home: Workplace, transcript: list[str]):
    directory = home.home / "clusters" / home.lab.name
    readable = {
        path.name: path.read_text(errors="replace")
        for path in directory.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077
    }
    logs = {path.name: path.read_text() for path in (directory / "logs").iterdir()}
    assert "inventory.yml" in readable
    assert logs
    places = {"output": "\n".join(transcript), **readable, **logs}
    for name, secret in secrets_of(home).items():
        for place, text in places.items():
            assert secret not in text, f"{name} stands in {place}"


def test_a_node_that_dies_in_the_middle_does_not_hold_up_the_others(home: Workplace, transcript: list[str]):
    dissolved = home.try_piswarm("reset", "--confirm", home.lab.name, within_s=200, PISWARM_PASSWORD=PASSWORD)
    transcript.append(dissolved.told)
    assert dissolved.code == 0, dissolved.told
    with started(home) as running:
        for line in running.stderr:
            transcript.append(line)
            if line.startswith("• Preparing"):
                home.piswarm("lab", "kill", "pi3")
                break
        else:
            pytest.fail("no node was prepared")
        rest = running.stderr.read()
        code = running.wait(timeout=INIT_WITHIN_S)
    transcript.append(rest)
    assert code == 3, rest
    assert re.search(r"without pi3", rest)
    assert re.search(r"pi3.*(unreachable|reached|timed out|closed|connect)", rest, re.IGNORECASE), rest
    assert "piswarm init" in rest
    home.piswarm("lab", "start", "pi3")
    finished = init(home)
    transcript.append(finished.told)
    assert finished.code == 0, finished.told
    healthy(home)


def test_a_node_that_cannot_be_reached_is_named_and_the_others_stay(home: Workplace):
    home.piswarm("lab", "kill", "pi3")
    try:
        outcome = init(home)
    finally:
        home.piswarm("lab", "start", "pi3")
    assert outcome.code == 3, outcome.told
    assert "The cluster runs, but without pi3" in outcome.stderr
    assert re.search(r"pi3 \(\S+\) cannot be reached over SSH", outcome.stderr)
    wait_until_healthy(home)


def test_without_the_node_that_holds_the_registry_nothing_is_changed(home: Workplace):
    home.piswarm("lab", "kill", "pi1")
    try:
        outcome = init(home)
    finally:
        home.piswarm("lab", "start", "pi1")
    assert outcome.code == 1
    assert "pi1 holds the cluster's registry" in outcome.stderr
    wait_until_healthy(home)


def test_doctor_names_the_direction_that_fails(home: Workplace):
    source = "$(getent ahostsv4 pi2.local | head -n 1 | cut -d ' ' -f 1)"
    for rule in ("-p tcp --dport 7946", "-p udp --dport 4789"):
        home.on_node("pi1", f"iptables -I INPUT -s {source} {rule} -j DROP")
    try:
        outcome = home.try_piswarm("doctor", "--json", within_s=120, PISWARM_PASSWORD=PASSWORD)
    finally:
        for rule in ("-p tcp --dport 7946", "-p udp --dport 4789"):
            home.on_node("pi1", f"iptables -D INPUT -s {source} {rule} -j DROP")
    assert outcome.code == 1
    found = [one for one in outcome.document()["findings"] if one["check"] == "reachability"]
    told = {(one["node"], re.search(r"reach (\S+) on port (\S+)", one["sentence"]).groups()) for one in found}
    assert ("pi2", ("pi1", "7946/tcp")) in told
    assert any(ports[1] == "4789/udp" for _, ports in told)
    assert not any(node == "pi3" or ports[0] == "pi3" for node, ports in told)


def test_a_drained_node_takes_no_tasks_until_it_is_active_again(home: Workplace):
    home.piswarm("node", "drain", "pi2")
    nodes = {one["name"]: one["state"] for one in home.piswarm("node", "list", "--json").document()["nodes"]}
    home.piswarm("node", "activate", "pi2")
    assert nodes == {"pi1": "ready", "pi2": "drained", "pi3": "ready"}
    wait_until_healthy(home)


def test_a_manager_is_removed_only_if_the_rest_can_go_on(home: Workplace):
    refused = home.try_piswarm("node", "remove", "pi1", "--yes", PISWARM_PASSWORD=PASSWORD)
    assert refused.code == 1
    assert "registry" in refused.stderr
    home.piswarm("node", "remove", "pi3", "--yes", within_s=200, PISWARM_PASSWORD=PASSWORD)
    left = home.on_node("pi1", "docker node ls --format '{{.Hostname}}'").split()
    assert sorted(left) == ["pi1", "pi2"]
    assert (
        home.on_node("pi3", "ls -d /etc/piswarm/node.json /var/lib/piswarm 2>/dev/null | wc -l").strip()
        == "0"
    )


def test_a_member_of_another_swarm_is_refused(home: Workplace):
    home.on_node("pi3", "docker swarm init >/dev/null")
    try:
        outcome = init(home)
    finally:
        home.on_node("pi3", "docker swarm leave --force")
    assert outcome.code == 1
    assert re.search(r"pi3: it is a member of another Swarm", outcome.stderr), outcome.stderr
    assert "docker swarm leave" in outcome.stderr
    joined = init(home, PISWARM_MITOGEN="0")  # the others run with Mitogen
    assert joined.code == 0, joined.told
    wait_until_healthy(home)


def test_a_changed_host_key_stops_everything_with_both_fingerprints(home: Workplace):
    home.on_node("pi2", "mkdir /root/keys && cp /etc/ssh/ssh_host_* /root/keys && rm /etc/ssh/ssh_host_*")
    home.on_node("pi2", "ssh-keygen -A && systemctl restart ssh")
    try:
        outcome = init(home)
    finally:
        home.on_node("pi2", "cp /root/keys/* /etc/ssh/ && rm -r /root/keys && systemctl restart ssh")
    assert outcome.code != 0
    assert len(set(re.findall(r"SHA256:\S{40,}", outcome.stderr))) >= 2, outcome.stderr
    wait_until_healthy(home)


def test_reset_works_when_a_node_is_missing_and_finishes_later(home: Workplace):
    wrong = home.try_piswarm("--no-input", "reset", "--confirm", "wrong", PISWARM_PASSWORD=PASSWORD)
    assert wrong.code == 1
    home.piswarm("lab", "kill", "pi3")
    partly = reset(home)
    home.piswarm("lab", "start", "pi3")
    assert partly.code == 3, partly.told
    assert "pi3" in partly.stderr
    finished = reset(home)
    assert finished.code == 0, finished.told
    assert not (home.home / "clusters" / home.lab.name).exists()
    for node in NODES:
        assert not has_docker(home, node)
        assert home.on_node(node, "cat /etc/hostname").strip() == node
        traces = (
            "grep -l piswarm /etc/hosts /home/pi/.ssh/authorized_keys; ls -d /etc/piswarm /var/lib/piswarm"
        )
        assert home.on_node(node, f"({traces}) 2>/dev/null || true") == ""


# How the tests above look and act ----------------------------------------------------------------


@contextmanager
def started(home: Workplace) -> Iterator[subprocess.Popen[str]]:
    """Start `init` and end it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "piswarm", *init_words(home)],
        cwd=ROOT,
        env=home.environment | {"PISWARM_PASSWORD": PASSWORD, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        process.stdout.close()
        process.stderr.close()


def run_until_a_new_step_ends(home: Workplace, survived: list[str], transcript: list[str]) -> str | None:
    """Run `init` and kill it when a step ends that it was not killed after yet; None when it came to its end."""
    seen = 0
    with started(home) as running:
        for line in running.stderr:
            transcript.append(line)
            ended = STEP_ENDED.match(line)
            if (
                ended
                and ended["step"] not in survived
                and not ended["step"].startswith(("Looking", "Probing"))
            ):
                running.send_signal(signal.SIGKILL)
                return ended["step"]
            seen += 1
        assert running.wait(timeout=INIT_WITHIN_S) == 0, "".join(transcript[-seen:])
    return None


@contextmanager
def watched_command_lines() -> Iterator[set[str]]:
    """Collect the command lines of all processes of this machine, the nodes' among them."""
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # it has just ended

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def secrets_of(home: Workplace) -> dict[str, str]:
    """Return what must stand nowhere, by name."""
    directory = home.home / "clusters" / home.lab.name
    credentials = json.loads((directory / "credentials.json").read_text())
    tokens = home.on_node(
        "pi1", "docker swarm join-token -q worker; docker swarm join-token -q manager"
    ).split()
    private_lines = (directory / "id_ed25519").read_text().splitlines()
    return {
        "the SSH password": PASSWORD,
        "the gateway's password": credentials["gateway"]["password"],
        "the registry's password": credentials["registry"]["password"],
        "the worker's join token": tokens[0],
        "the manager's join token": tokens[1],
        "the private SSH key": private_lines[2],
        "the authority's private key": (directory / "ca.key").read_text().splitlines()[1],
    }


def healthy(home: Workplace) -> None:
    status = home.piswarm("status", "--json").document()
    assert status["healthy"], status
    assert {node["name"]: node["role"] for node in status["nodes"]} == dict.fromkeys(NODES, "manager")


def wait_until_healthy(home: Workplace, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while True:
        status = home.try_piswarm("status", "--json")
        if status.code == 0 and status.document()["healthy"]:
            return
        assert time.monotonic() < deadline, status.told
        time.sleep(2)
