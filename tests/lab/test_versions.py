"""Versions of a function: put live without a gap, taken back when they do not work, gone back to."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from piswarm.cluster.connect import connect
from piswarm.cluster.inventory import load_cluster
from piswarm.cluster.registry import collect_garbage
from piswarm.settings import Settings
from tests.lab.laboratory import DEPLOY_WITHIN_S, NODES, Workplace, commit_all, git, git_served

pytestmark = pytest.mark.lab

ANSWER_WITHIN_S = 10.0
SETTLED_WITHIN_S = 60.0
HEAVY_BYTES = 30_000_000
REGISTRY = "docker exec $(docker ps --quiet --filter name=piswarm_registry)"
STORE = "/var/lib/registry/docker/registry/v2"
TIDY_NOW = """
set -e
folder=/run/systemd/system/piswarm-tidy.service.d
mkdir -p $folder
printf '[Service]\\nEnvironment=FULL_PERCENT=0 YOUNGER_THAN=0s\\n' >$folder/now.conf
systemctl daemon-reload
systemctl start piswarm-tidy.service
rm -r $folder
systemctl daemon-reload
"""
GLUTTON = "ARG BASE\nFROM ${BASE}\nRUN head -c 400000000 /dev/zero | tail\n"


@pytest.fixture(scope="module")
def project(cluster: Workplace, tmp_path_factory) -> Iterator[Path]:
    """A function that is live and answers `one`."""
    folder = tmp_path_factory.mktemp("project")
    cluster.piswarm("new", "word", cwd=folder)
    deploy(cluster, folder, "def handle(req):\n    print('one')\n")
    yield folder
    cluster.piswarm("remove", "word", "--yes")


def test_the_same_commit_again_is_nothing_to_do(cluster: Workplace, project: Path):
    before = cluster.on_node("pi1", "docker service inspect --format '{{.Version.Index}}' word")
    outcome = cluster.piswarm("deploy", "word", "--json", cwd=project)
    assert outcome.document()["changed"] is False
    assert cluster.on_node("pi1", "docker service inspect --format '{{.Version.Index}}' word") == before
    assert "Build" not in outcome.stderr


def test_a_new_version_takes_over_without_a_failed_request(cluster: Workplace, project: Path):
    with calling(url(cluster, "word")) as answers:
        deploy(cluster, project, "def handle(req):\n    return 'two'\n")
        assert ask(cluster, "word") == "two"
    assert set(answers) == {(200, "one\n"), (200, "two")}, answers


@pytest.mark.parametrize(
    ("handler", "requirements", "reason"),
    [
        ("def handle(req:\n", "", "'(' was never closed"),
        ("def handle(req):\n    return req\n", "no-such-package-of-anybody", "no-such-package-of-anybody"),
        ("import nothing_like_this\n", "", "No module named 'nothing_like_this'"),
        (
            "import time\ntime.sleep(1)\nraise SystemExit(3)\n",
            "",
            "handler.py cannot be loaded: SystemExit: 3",
        ),
    ],
    ids=["syntax error", "unknown package", "import error", "exit at start"],
)
def test_a_version_that_does_not_work_leaves_the_one_before_alone(
    cluster: Workplace, project: Path, handler: str, requirements: str, reason: str
):
    commit = write(project, handler, requirements)
    with calling(url(cluster, "word")) as answers:
        outcome = cluster.try_piswarm("deploy", "word", cwd=project, within_s=DEPLOY_WITHIN_S)
    assert outcome.code == 1, outcome.told
    assert reason in outcome.told
    assert "bug in piswarm" not in outcome.told
    assert set(answers) == {(200, "two")}, answers
    described = cluster.piswarm("describe", "word", "--json").document()["function"]
    assert described["annotations"]["piswarm.commit"] != commit


def test_a_version_that_never_becomes_ready_is_given_up_and_taken_back(cluster: Workplace, project: Path):
    write(project, "import time\ntime.sleep(1000)\n")
    with calling(url(cluster, "word")) as answers:
        outcome = cluster.try_piswarm(
            "deploy", "word", "--timeout", "6", cwd=project, within_s=DEPLOY_WITHIN_S
        )
    assert outcome.code == 1
    assert "after 6 s 0 of 1 replicas run" in outcome.told
    assert "still runs" in outcome.told
    assert set(answers) == {(200, "two")}, answers
    ran = "docker service ps word --filter desired-state=running --format '{{.CurrentState}}'"
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while (states := cluster.on_node("pi1", ran).split("\n")[:-1]) and not (
        len(states) == 1 and states[0].startswith("Running")
    ):
        assert time.monotonic() < deadline, states
        time.sleep(0.5)


def test_a_build_that_eats_the_memory_is_ended_and_nothing_else(cluster: Workplace, project: Path):
    whole = int(cluster.on_node("pi1", "awk '/MemTotal/ {print $2 * 1024}' /proc/meminfo"))
    assert int(cluster.on_node("pi1", "systemctl show --value -p MemoryMax piswarm.slice")) <= whole * 0.75
    alive = "pidof dockerd; docker ps --quiet --no-trunc --filter name=piswarm_"
    before = cluster.on_node("pi1", alive)
    (project / "word.yml").write_text("functions: {word: {lang: dockerfile, handler: ./word, image: word}}\n")
    (project / "word" / "Dockerfile").write_text(GLUTTON)
    commit_all(project)
    with small_bound(cluster), calling(url(cluster, "word")) as answers:
        outcome = cluster.try_piswarm("deploy", "word", cwd=project, within_s=DEPLOY_WITHIN_S)
    git(project, "checkout", "HEAD~1", "--", "word.yml")
    assert outcome.code == 1, outcome.told
    assert "word could not be built on pi1: the build ran out of memory." in outcome.told
    assert set(answers) == {(200, "two")}, answers
    assert cluster.on_node("pi1", alive) == before


def test_a_first_version_that_does_not_work_is_removed_again(cluster: Workplace, tmp_path: Path):
    cluster.piswarm("new", "stillborn", cwd=tmp_path)
    (tmp_path / "stillborn" / "handler.py").write_text("import nothing_like_this\n")
    outcome = cluster.try_piswarm("deploy", "stillborn", cwd=commit_all(tmp_path), within_s=DEPLOY_WITHIN_S)
    assert outcome.code == 1
    assert "nothing_like_this" in outcome.told
    assert "It was removed again." in outcome.told
    assert "stillborn" not in cluster.piswarm("list").stdout


def test_history_shows_versions_and_rollback_goes_to_any(cluster: Workplace, project: Path):
    before = cluster.piswarm("history", "word", "--json").document()
    second, first = (entry["number"] for entry in before["versions"][:2])
    assert (before["live"], second) == (second, first + 1)
    cluster.piswarm("rollback", "word", within_s=DEPLOY_WITHIN_S)
    assert ask(cluster, "word") == "one\n"
    cluster.piswarm("rollback", "word", str(second), within_s=DEPLOY_WITHIN_S)
    assert ask(cluster, "word") == "two"
    after = cluster.piswarm("history", "word", "--json").document()["versions"]
    assert [entry["note"] for entry in after[:4]] == [
        f"back to version {second}", f"back to version {first}", "", "",
    ]  # fmt: skip
    outcome = cluster.try_piswarm("rollback", "word", "77")
    assert outcome.code == 1
    assert "word has no version 77." in outcome.told


def test_two_deploys_at_once_take_turns(cluster: Workplace, project: Path):
    write(project, "def handle(req):\n    return 'three'\n")
    outcomes = []

    def run() -> None:
        outcomes.append(cluster.piswarm("deploy", "word", "--json", cwd=project, within_s=DEPLOY_WITHIN_S))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.document()["changed"] for outcome in outcomes) == [False, True]
    assert ask(cluster, "word") == "three"


def test_a_branch_of_a_git_server_is_deployed_without_a_checkout(
    cluster: Workplace, project: Path, tmp_path: Path
):
    git(project, "branch", "release")
    write(project, "def handle(req):\n    return 'not released'\n")
    with git_served(cluster, project.parent) as server:
        address = f"{server}/{project.name}"
        same = cluster.piswarm(
            "deploy", "word", "--repo", address, "--ref", "release", "--json", cwd=tmp_path
        )
        assert same.document()["changed"] is False
        newer = cluster.piswarm(
            "deploy", "word", "--repo", address, "--json", cwd=tmp_path, within_s=DEPLOY_WITHIN_S
        )
        assert newer.document()["changed"] is True
        (tmp_path / "word.yml").write_text((project / "word.yml").read_text() + f"    repo: {address}\n")
        named = cluster.piswarm("deploy", "word", "--json", cwd=tmp_path)
        assert named.document()["changed"] is False
        unknown = cluster.try_piswarm("deploy", "word", "--repo", address, "--ref", "v9", cwd=tmp_path)
    assert ask(cluster, "word") == "not released"
    assert unknown.code == 1
    assert "has no branch, tag or commit 'v9'" in unknown.told


@pytest.mark.parametrize(
    ("lang", "answer"),
    [("shell", "Hello! You said: pi\n"), ("dockerfile", "PI"), ("node", "Hello! You said: pi")],
    ids=["shell", "dockerfile", "node"],
)
def test_other_languages_answer_as_they_come(cluster: Workplace, tmp_path: Path, lang: str, answer: str):
    cluster.piswarm("new", "other", "--lang", lang, cwd=tmp_path)
    cluster.piswarm("deploy", "other", cwd=tmp_path, within_s=DEPLOY_WITHIN_S)
    assert cluster.piswarm("invoke", "other", "--data", "pi").stdout == answer
    cluster.piswarm("remove", "other", "--yes")


def test_a_registry_that_is_down_is_told_and_the_version_before_answers(cluster: Workplace, project: Path):
    before = ask(cluster, "word")
    write(project, "def handle(req):\n    return 'never live'\n")
    cluster.on_node("pi1", "docker service scale piswarm_registry=0")
    try:
        outcome = cluster.try_piswarm("deploy", "word", cwd=project, within_s=DEPLOY_WITHIN_S)
    finally:
        cluster.on_node("pi1", "docker service scale piswarm_registry=1")
    assert outcome.code == 1
    assert "could not be given to the registry" in outcome.told
    assert ask(cluster, "word") == before


def test_a_connection_that_is_cut_is_told_and_the_next_deploy_works(cluster: Workplace, tmp_path: Path):
    cluster.piswarm("new", "slow", "--lang", "dockerfile", cwd=tmp_path)
    dockerfile = tmp_path / "slow" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + f"RUN sleep 5 && echo {time.time_ns()}\n")
    commit_all(tmp_path)
    outcomes = []

    def run() -> None:
        outcomes.append(cluster.try_piswarm("deploy", "slow", cwd=tmp_path, within_s=DEPLOY_WITHIN_S))

    thread = threading.Thread(target=run)
    thread.start()
    wait_until_building(cluster)
    cluster.on_node("pi1", "pkill -KILL -f '[s]shd.*: pi'")
    thread.join()
    assert outcomes[0].code == 1
    assert "the SSH connection broke" in outcomes[0].told
    cluster.piswarm("deploy", "slow", cwd=tmp_path, within_s=DEPLOY_WITHIN_S)
    assert cluster.piswarm("invoke", "slow", "--data", "pi").stdout == "PI"
    cluster.piswarm("remove", "slow", "--yes")


def test_a_build_that_takes_too_long_is_ended(cluster: Workplace, project: Path):
    before = ask(cluster, "word")
    stack, dockerfile = project / "word.yml", project / "word" / "Dockerfile"
    python = stack.read_text()
    stack.write_text(python.replace("lang: python3", "lang: dockerfile"))
    dockerfile.write_text("ARG BASE\nFROM ${BASE}\nRUN sleep 600\n")
    commit_all(project)
    outcome = cluster.try_piswarm(
        "deploy", "word", "--build-timeout", "8", cwd=project, within_s=DEPLOY_WITHIN_S
    )
    stack.write_text(python)
    dockerfile.unlink()
    assert outcome.code == 1
    assert "the build of word took longer than 8 s and was ended" in outcome.told
    assert ask(cluster, "word") == before


@pytest.mark.parametrize("full", ["git", "build"])
def test_a_full_disk_on_the_manager_is_told_with_what_to_do(cluster: Workplace, project: Path, full: str):
    before = ask(cluster, "word")
    (project / "word" / "film.mp4").write_bytes(os.urandom(4 * 2**20))
    write(project, f"def handle(req):\n    return '{full}'\n")
    folder = f"/var/lib/piswarm/{full}"
    cluster.on_node("pi1", f"mount -t tmpfs -o size=1m,mode=1777 tmpfs {folder}")
    try:
        outcome = cluster.try_piswarm("deploy", "word", cwd=project, within_s=DEPLOY_WITHIN_S)
    finally:
        cluster.on_node("pi1", f"umount {folder}")
        (project / "word" / "film.mp4").unlink()
    assert outcome.code == 1
    assert re.search(r"disk is full|No space left on device", outcome.told), outcome.told
    assert "Make room there: docker builder prune" in outcome.told
    assert ask(cluster, "word") == before


def test_a_manager_that_is_another_one_is_told_and_nothing_is_sent(cluster: Workplace, project: Path):
    write(project, "def handle(req):\n    return 'not to a stranger'\n")
    with other_host_key(cluster, "pi1"):
        outcome = cluster.try_piswarm("deploy", "word", cwd=project)
    assert outcome.code == 1
    assert outcome.told.count("SHA256:") == 2, outcome.told
    assert "Traceback" not in outcome.told


def test_the_registry_holds_what_can_be_gone_back_to_and_nothing_else(cluster: Workplace, project: Path):
    kept = cluster.piswarm("history", "word", "--json").document()["versions"]
    assert registered(cluster, "word") == {version["image"].partition("@")[2] for version in kept}


def test_a_function_that_is_removed_gives_its_space_back(cluster: Workplace, project: Path, tmp_path: Path):
    cluster.piswarm("new", "heavy", "--lang", "dockerfile", cwd=tmp_path)
    dockerfile = tmp_path / "heavy" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + f"RUN head -c {HEAVY_BYTES} /dev/urandom >/tmp/heavy\n")
    cluster.piswarm("deploy", "heavy", cwd=commit_all(tmp_path), within_s=DEPLOY_WITHIN_S)
    assert len(registered(cluster, "heavy")) == 1
    full = stored_bytes(cluster)
    cluster.piswarm("remove", "heavy", "--yes")
    assert registered(cluster, "heavy") == set()
    record = load_cluster(Settings.from_environment(cluster.environment), cluster.lab.name)
    with connect(record, record.manager) as manager:
        collect_garbage(manager)
    assert stored_bytes(cluster) < full - HEAVY_BYTES * 0.9
    for node in NODES:
        wait_until_gone(cluster, node, "docker ps --all --quiet --filter label=com.openfaas.function=heavy")
        cluster.on_node(node, TIDY_NOW)
        assert "functions/heavy" not in cluster.on_node(node, "docker image ls")
    word = next(iter(registered(cluster, "word")))
    pull = f"docker pull --quiet registry.piswarm.internal:5000/functions/word@{word}"
    assert word in cluster.on_node("pi1", f"DOCKER_CONFIG=/var/lib/piswarm/docker {pull}")


def test_a_build_leaves_nothing_on_the_manager(cluster: Workplace, project: Path):
    assert cluster.on_node("pi1", "find /var/lib/piswarm/build -mindepth 1 -maxdepth 1 -type d").strip() == ""


def deploy(cluster: Workplace, folder: Path, handler: str) -> None:
    write(folder, handler)
    cluster.piswarm("deploy", "word", cwd=folder, within_s=DEPLOY_WITHIN_S)


def write(folder: Path, handler: str, requirements: str = "") -> str:
    """Commit a handler and return the commit."""
    (folder / "word" / "handler.py").write_text(handler)
    (folder / "word" / "requirements.txt").write_text(f"{requirements}\n")
    commit_all(folder)
    return git(folder, "rev-parse", "HEAD")


def wait_until_building(cluster: Workplace) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while not cluster.on_node("pi1", "pgrep -f '[d]ocker-buildx .*slow' || true").strip():
        assert time.monotonic() < deadline, "the build did not start"
        time.sleep(0.1)
    time.sleep(1)


def registered(cluster: Workplace, function: str) -> set[str]:
    """Return the digests of a function's manifests in the registry, as its disk has them."""
    folder = f"{STORE}/repositories/functions/{function}/_manifests/revisions/sha256"
    command = f"{REGISTRY} find {folder} -name link -exec sh -c 'cat $1; echo' - {{}} ';'"
    return set(cluster.on_node("pi1", command).split())


def stored_bytes(cluster: Workplace) -> int:
    return int(cluster.on_node("pi1", f"{REGISTRY} du --summarize --bytes {STORE}/blobs").split()[0])


def wait_until_gone(cluster: Workplace, node: str, command: str) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while left := cluster.on_node(node, command).split():
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def url(cluster: Workplace, function: str) -> str:
    document = json.loads(cluster.piswarm("describe", function, "--json").stdout)
    return str(document["url"])


def ask(cluster: Workplace, function: str) -> str:
    return requests.post(url(cluster, function), timeout=ANSWER_WITHIN_S).text


@contextmanager
def calling(address: str) -> Iterator[Counter[tuple[int, str]]]:
    """Call a function without a pause during the block and count its answers."""
    answers: Counter[tuple[int, str]] = Counter()
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            try:
                answer = requests.post(address, timeout=ANSWER_WITHIN_S)
                answers[answer.status_code, answer.text] += 1
            except requests.RequestException as error:
                answers[0, str(error)] += 1
            stop.wait(0.02)

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        yield answers
    finally:
        stop.set()
        for caller in callers:
            caller.join()


@contextmanager
def small_bound(cluster: Workplace) -> Iterator[None]:
    """Bound builds as on a small board during the block."""
    narrow = "systemctl set-property --runtime piswarm.slice MemoryMax="
    cluster.on_node("pi1", f"{narrow}128M")
    try:
        yield
    finally:
        cluster.on_node("pi1", f"{narrow}75% && systemctl revert piswarm.slice")


@contextmanager
def other_host_key(cluster: Workplace, node: str) -> Iterator[None]:
    """Have a node show another host key, as a board that was flashed anew does."""
    keys, kept = "/etc/ssh/ssh_host_*_key*", "/root/host-keys"
    cluster.on_node(
        node, f"mkdir {kept} && mv {keys} {kept} && ssh-keygen -A >/dev/null && systemctl restart ssh"
    )
    try:
        yield
    finally:
        cluster.on_node(node, f"rm {keys}; mv {kept}/* /etc/ssh/ && rmdir {kept} && systemctl restart ssh")
