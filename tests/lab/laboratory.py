"""What the tests of the lab work with: a user's side, the nodes past everything under test, what a failure leaves."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import docker
import pytest
from support.git_server import git_over_http

from piswarm.lab.names import Lab

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]
SHARED_LAB = Lab(f"t{CHECKOUT}")
ARMHF_LAB = Lab(f"a{CHECKOUT}")
FAILURE_LAB = Lab(f"f{CHECKOUT}")
NODES = ("pi1", "pi2", "pi3")

UP_WITHIN_S = 240
DEPLOY_WITHIN_S = 400
COMMAND_WITHIN_S = 90


@dataclass(frozen=True)
class Outcome:
    """What a command of ours did."""

    code: int
    stdout: str
    stderr: str

    @property
    def told(self) -> str:
        return self.stderr + self.stdout

    def document(self) -> dict:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Workplace:
    """A user's side: a lab, and an environment of its own for the `piswarm` command."""

    lab: Lab
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        without_ours = {name: value for name, value in os.environ.items() if not name.startswith("PISWARM_")}
        return without_ours | {
            "PISWARM_LAB": self.lab.name,
            "PISWARM_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
        }

    def try_piswarm(
        self,
        *arguments: str,
        cwd: Path = ROOT,
        within_s: float = COMMAND_WITHIN_S,
        stdin: str = "",
        **env: str,
    ) -> Outcome:
        """Run `piswarm` as a user would, and return what it did."""
        command = [sys.executable, "-m", "piswarm", *arguments]
        try:
            ran = subprocess.run(
                command,
                cwd=cwd,
                env=self.environment | env,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=within_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            told = (late.stderr or b"").decode() + (late.stdout or b"").decode()
            pytest.fail(f"piswarm {' '.join(arguments)}: still running after {within_s} s\n{told}")
        return Outcome(ran.returncode, ran.stdout, ran.stderr)

    def piswarm(self, *arguments: str, **options) -> Outcome:
        """Run `piswarm`, which must succeed."""
        outcome = self.try_piswarm(*arguments, **options)
        assert outcome.code == 0, f"piswarm {' '.join(arguments)}: exit code {outcome.code}\n{outcome.told}"
        return outcome

    def on_node(self, node: str, command: str) -> str:
        """Run a shell command on a node as root, past everything that is being tested."""
        container = docker.from_env().containers.get(self.lab.container_name(node))
        code, output = container.exec_run(["sh", "-c", command])
        assert code == 0, f"{node}: {command}: exit code {code}\n{output.decode()}"
        return output.decode()


@contextmanager
def lab_up(user: Workplace, nodes: int, *options: str) -> Iterator[Workplace]:
    """Have the user's lab up inside the block, with fresh nodes, and down afterwards."""
    user.piswarm("lab", "down")
    try:
        user.piswarm("lab", "up", "--nodes", str(nodes), *options, within_s=UP_WITHIN_S)
        yield user
    finally:
        user.piswarm("lab", "down")
    assert left_of(user) == []


def left_of(user: Workplace) -> list[str]:
    """Return what there is of the user's lab on this machine, and of the cluster on it in the user's records."""
    engine, only_ours = docker.from_env(), {"label": user.lab.filters}
    places = [Path("/sys/class/net", user.lab.interface), user.home / "clusters" / user.lab.name]
    return [
        *(container.name for container in engine.containers.list(all=True, filters=only_ours)),
        *(volume.name for volume in engine.volumes.list(filters=only_ours)),
        *(network.name for network in engine.networks.list(filters=only_ours)),
        *(str(place) for place in places if place.exists()),
    ]


@contextmanager
def page_served(user: Workplace) -> Iterator[str]:
    """Serve a page that holds the word `raspberries` to the lab's bridge only, and give its address."""
    subnet = IPv4Network(user.piswarm("lab", "status", "--json").document()["subnet"])
    with http.server.ThreadingHTTPServer((str(subnet[1]), 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{subnet[1]}:{server.server_port}/"
        server.shutdown()


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>Example</title>A page about raspberries.\n")

    def log_message(self, *_: object) -> None:
        """Keep the tests' output to themselves."""


def commit_all(folder: Path) -> Path:
    """Commit everything in `folder` to a git repository of its own."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--message", "test"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=COMMAND_WITHIN_S)
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder` and return what it prints."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def git_served(user: Workplace, folder: Path) -> Iterator[str]:
    """Serve the repositories in `folder` over HTTP, to the lab's bridge only, and give their common address."""
    subnet = IPv4Network(user.piswarm("lab", "status", "--json").document()["subnet"])
    with git_over_http(str(subnet[1]), folder) as address:
        yield address


LOGS = {
    "journal": "journalctl --boot --no-pager",
    "services": "docker service ls && docker node ls && docker ps --all --no-trunc",
    "tasks": "docker service ls -q | xargs -r docker service ps --no-trunc",
    "containers": "for id in $(docker ps -aq); do docker inspect -f {{.Name}} $id; docker logs --tail 99 $id; done",
}


def keep_logs(lab: Lab, folder: Path) -> None:
    """Write what can be learnt from every node of the lab into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for container in docker.from_env().containers.list(all=True, filters={"label": lab.filters}):
        (folder / f"{container.name}.boot.log").write_bytes(container.logs())
        for name, command in LOGS.items() if container.status == "running" else ():
            output = container.exec_run(["sh", "-c", f"({command}) 2>&1"]).output
            (folder / f"{container.name}.{name}.log").write_bytes(output)
