"""How long a change takes from pressing Enter to the new version answering.

Each row is `piswarm deploy`; the peer is what a person would type on the manager instead: git pull, docker
build, docker push, docker service update. Both build the same Dockerfile from the same base in the same cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import requests

from piswarm.cluster.connect import connect
from piswarm.cluster.inventory import REGISTRY, STATE_DIR, Cluster, load_cluster
from piswarm.functions.templates import load_templates
from piswarm.settings import Settings

FUNCTION, PEER = "bench-deploy", "bench-plain"
ANSWER_WITHIN_S = 300.0
PLAIN = f"{STATE_DIR}/build/plain"
DOCKER = f"DOCKER_CONFIG={STATE_DIR}/docker docker"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cluster = load_cluster(Settings.from_environment())
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(cluster, Path(folder), options.rounds)
    for function in (FUNCTION, PEER):
        piswarm("remove", function, "--yes")
    with connect(cluster, cluster.manager) as manager:
        manager.run(f"rm -rf {PLAIN}", timeout_s=60)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'seconds, median of ' + str(options.rounds):44} {'answers':>8} {'command ends':>13}")
    for row in rows:
        print(f"{row['name']:44} {row['answers_s']:>8.1f} {row['ends_s']:>13.1f}")


def measure(cluster: Cluster, folder: Path, rounds: int) -> list[dict[str, object]]:
    source = Work(cluster, folder / FUNCTION, FUNCTION)
    peer = Work(cluster, folder / PEER, PEER)
    rows = [row("piswarm deploy, first", [source.timed(source.deploy, "zero")])]
    rows.append(row("piswarm deploy, handler.py changed", [
        source.timed(source.deploy, f"word{number}") for number in range(rounds)
    ]))  # fmt: skip
    rows.append(row("piswarm deploy, requirements.txt changed", [
        source.timed(source.deploy, f"package{number}", f"idna==3.{number + 4}") for number in range(rounds)
    ]))  # fmt: skip
    rows.append(row("piswarm deploy, nothing changed", [source.again() for _ in range(rounds)]))
    peer.timed(peer.deploy, "zero")
    peer.prepare_plain_way()
    rows.append(row("plain commands, handler.py changed", [
        peer.timed(peer.plain_way, f"word{number}") for number in range(rounds)
    ]))  # fmt: skip
    return rows


class Work:
    """A function in a repository of its own."""

    def __init__(self, cluster: Cluster, folder: Path, function: str) -> None:
        self.cluster = cluster
        self.folder = folder
        self.function = function
        self.url = f"{cluster.gateway_url}/function/{function}"
        folder.mkdir()
        piswarm("new", function, cwd=folder)

    def timed(self, change: Callable[[], None], word: str, requirement: str = "") -> tuple[float, float]:
        """Commit a handler that answers `word`, make it live with `change`, and time it."""
        (self.folder / self.function / "handler.py").write_text(f"def handle(req):\n    return '{word}'\n")
        (self.folder / self.function / "requirements.txt").write_text(f"{requirement}\n")
        git(self.folder, "commit", "--quiet", "--all", "--message", word)
        began = time.monotonic()
        answered: list[float] = []
        watcher = threading.Thread(target=self._wait_for, args=(word, began, answered))
        watcher.start()
        change()
        ended = time.monotonic() - began
        watcher.join()
        return answered[0], ended

    def again(self) -> tuple[float, float]:
        """Deploy what is live already."""
        began = time.monotonic()
        self.deploy()
        took_s = time.monotonic() - began
        return took_s, took_s

    def deploy(self) -> None:
        piswarm("deploy", self.function, cwd=self.folder)

    def prepare_plain_way(self) -> None:
        """Have a clone on the manager, as somebody who works there would."""
        dockerfile = load_templates()["python3"].dockerfile
        with connect(self.cluster, self.cluster.manager) as manager:
            base = manager.run(
                f"docker image ls --filter reference={REGISTRY}/piswarm/python3"
                " --format '{{.Repository}}:{{.Tag}}'",
                timeout_s=60,
            ).stdout.split()[0]
            manager.run(
                f"rm -rf {PLAIN} && git init --quiet --bare {PLAIN}/bare"
                f" && git clone --quiet {PLAIN}/bare {PLAIN}/work",
                timeout_s=60,
            )
            manager.put(dockerfile.encode(), f"{PLAIN}/Dockerfile", 0o644)
            self._ssh = [*manager.ssh_command(), f"{self.cluster.user}@{self.cluster.manager.address}"]
        self._base = base
        os.environ["GIT_SSH_COMMAND"] = shlex.join(self._ssh[:-1])
        remote = f"ssh://{self._ssh[-1]}{PLAIN}/bare"
        git(self.folder, "remote", "add", "manager", remote)
        git(self.folder, "branch", "--move", "--force", "main")

    def plain_way(self) -> None:
        commit = git(self.folder, "rev-parse", "--short", "HEAD")
        image = f"{REGISTRY}/functions/{self.function}:plain-{commit}"
        git(self.folder, "push", "--quiet", "manager", "main")
        commands = (
            f"cd {PLAIN}/work && git pull --quiet origin main",
            f"{DOCKER} build --quiet --build-arg BASE={self._base} --tag {image}"
            f" --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt --file ../Dockerfile {self.function}",
            f"{DOCKER} push --quiet {image}",
            f"{DOCKER} service update --quiet --with-registry-auth --image {image} {self.function}",
        )
        subprocess.run(
            [*self._ssh, " && ".join(commands)], check=True, capture_output=True, timeout=ANSWER_WITHIN_S
        )

    def _wait_for(self, word: str, began: float, answered: list[float]) -> None:
        while time.monotonic() - began < ANSWER_WITHIN_S:
            answer = requests.post(self.url, timeout=10)
            if answer.text == word:
                answered.append(time.monotonic() - began)
                return
            time.sleep(0.02)
        raise SystemExit(f"{self.url} did not answer '{word}' within {ANSWER_WITHIN_S:.0f} s")


def row(name: str, times: list[tuple[float, float]]) -> dict[str, object]:
    answers, ends = zip(*times, strict=True)
    return {"name": name, "answers_s": statistics.median(answers), "ends_s": statistics.median(ends)}


def piswarm(*arguments: str, cwd: Path | None = None) -> None:
    command = [sys.executable, "-m", "piswarm", *arguments]
    ended = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False
    )
    if ended.returncode != 0:
        raise SystemExit(f"piswarm {' '.join(arguments)}: {ended.stderr}")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
