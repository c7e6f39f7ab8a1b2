"""What the tests of the lab work with: a user's side, the nodes past everything under test, what a failure leaves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import docker

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
LAB = "t" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]  # one for each checkout
INTERFACE = f"piswarm-{LAB}"
NODES = ("pi1", "pi2", "pi3")

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
    """A user's side: an environment of its own for the `piswarm` command."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        without_ours = {name: value for name, value in os.environ.items() if not name.startswith("PISWARM_")}
        return without_ours | {"PISWARM_LAB": LAB, "PISWARM_HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    def try_piswarm(
        self,
        *arguments: str,
        cwd: Path = ROOT,
        within_s: float = COMMAND_WITHIN_S,
        stdin: str = "",
        **env: str,
    ) -> Outcome:
        """Run `piswarm` as a user would, and return what it did."""
        ran = subprocess.run(
            [sys.executable, "-m", "piswarm", *arguments],
            cwd=cwd,
            env=self.environment | env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        return Outcome(ran.returncode, ran.stdout, ran.stderr)

    def piswarm(self, *arguments: str, **options) -> Outcome:
        """Run `piswarm`, which must succeed."""
        outcome = self.try_piswarm(*arguments, **options)
        assert outcome.code == 0, f"piswarm {' '.join(arguments)}: exit code {outcome.code}\n{outcome.told}"
        return outcome


def on_node(node: str, command: str) -> str:
    """Run a shell command on a node as root, past everything that is being tested."""
    container = docker.from_env().containers.get(f"{INTERFACE}-{node}")
    code, output = container.exec_run(["sh", "-c", command])
    assert code == 0, f"{node}: {command}: exit code {code}\n{output.decode()}"
    return output.decode()


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


LOGS = {
    "journal": "journalctl --boot --no-pager",
    "services": "docker service ls && docker node ls && docker ps --all --no-trunc",
    "tasks": "docker service ls -q | xargs -r docker service ps --no-trunc",
    "containers": "for id in $(docker ps -aq); do docker inspect -f {{.Name}} $id; docker logs --tail 99 $id; done",
}


def keep_logs(folder: Path) -> None:
    """Write what can be learnt from every node of the lab into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for container in docker.from_env().containers.list(all=True, filters={"label": f"piswarm.lab={LAB}"}):
        (folder / f"{container.name}.boot.log").write_bytes(container.logs())
        for name, command in LOGS.items() if container.status == "running" else ():
            output = container.exec_run(["sh", "-c", f"({command}) 2>&1"]).output
            (folder / f"{container.name}.{name}.log").write_bytes(output)
