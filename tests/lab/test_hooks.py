"""A push to a git server puts a function live: what the server tells, who may tell it, and what comes of it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.lab.laboratory import DEPLOY_WITHIN_S, Workplace, commit_all, git, git_served

pytestmark = pytest.mark.lab

ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True)
class Followed:
    """A function that follows the branch `main` of a repository on a git server."""

    cluster: Workplace
    project: Path
    hook: dict

    def push(self, handler: str, branch: str = "main") -> str:
        """Push a version to the server and return its commit."""
        (self.project / "pushed" / "handler.py").write_text(handler)
        commit_all(self.project)
        git(self.project, "push", "--quiet", "server", f"HEAD:refs/heads/{branch}")
        return git(self.project, "rev-parse", "HEAD")

    def deliver(self, commit: str, branch: str = "main", secret: str = "") -> requests.Response:
        """Tell the gateway of a push, as Gitea does."""
        body = json.dumps(
            {
                "ref": f"refs/heads/{branch}",
                "after": commit,
                "repository": {"default_branch": "main"},
                "pusher": {"login": "ada"},
                "commits": [{"id": commit, "message": "Say more\n", "author": {"name": "Ada"}}],
            }
        ).encode()
        signature = hmac.new((secret or self.hook["secret"]).encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": self.hook["content_type"],
            "X-Gitea-Event": "push",
            "X-Gitea-Signature": signature,
        }
        return requests.post(self.hook["url"], data=body, headers=headers, timeout=ANSWER_WITHIN_S)

    def ask(self) -> str:
        """Call the function."""
        url = self.hook["url"].partition("/system/")[0]
        return requests.post(f"{url}/function/pushed", timeout=ANSWER_WITHIN_S).text

    def newest(self) -> dict:
        """Return the newest entry of the function's history."""
        return self.cluster.piswarm("history", "pushed", "--json").document()["versions"][0]

    def wait_for_history_of(self, commit: str) -> dict:
        """Return the entry of a commit as soon as the history has it."""
        deadline = time.monotonic() + DEPLOY_WITHIN_S
        while (entry := self.newest())["commit"] != commit:
            jobs = self.cluster.on_node(
                "pi1", "docker service ls && docker service ps $(docker service ls -q)"
            )
            assert time.monotonic() < deadline, f"{entry}\n{jobs}"
            time.sleep(1)
        return entry


@pytest.fixture(scope="module")
def followed(cluster: Workplace, tmp_path_factory) -> Iterator[Followed]:
    """A function that was deployed from a git server, with the hook that the server is told."""
    served, project = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("project")
    cluster.piswarm("new", "pushed", cwd=project)
    git(served, "init", "--quiet", "--bare", "--initial-branch", "main", "pushed.git")
    git(project, "remote", "add", "server", str(served / "pushed.git"))
    git(project, "push", "--quiet", "server", "HEAD:refs/heads/main")
    with git_served(cluster, served) as server:
        repository = f"{server}/pushed.git"
        cluster.piswarm("deploy", "pushed", "--repo", repository, cwd=served, within_s=DEPLOY_WITHIN_S)
        hook = cluster.piswarm("hook", "pushed", "--json", within_s=DEPLOY_WITHIN_S).document()
        assert (hook["repository"], hook["branch"]) == (repository, "main")
        yield Followed(cluster, project, hook)
    cluster.piswarm("remove", "pushed", "--yes")


def test_a_push_goes_live_by_itself(followed: Followed):
    commit = followed.push("def handle(req):\n    return 'pushed'\n")
    answer = followed.deliver(commit)
    assert (answer.status_code, answer.json()) == (
        202, {"function": "pushed", "commit": commit, "status": "accepted"},
    )  # fmt: skip
    assert followed.deliver(commit).json()["status"] == "accepted before"
    entry = followed.wait_for_history_of(commit)
    assert (entry["by"], entry["failure"]) == ("hook (ada)", "")
    assert followed.ask() == "pushed"


def test_a_push_that_does_not_work_is_in_the_history_and_the_version_before_answers(followed: Followed):
    commit = followed.push("def handle(req:\n")
    assert followed.deliver(commit).status_code == 202
    entry = followed.wait_for_history_of(commit)
    assert "'(' was never closed" in entry["failure"]
    assert (entry["by"], entry["subject"], entry["author"]) == ("hook (ada)", "Say more", "Ada")
    assert "(never live: pushed could not be built" in followed.cluster.piswarm("history", "pushed").stdout
    assert followed.ask() == "pushed"
    told = followed.cluster.try_piswarm("rollback", "pushed", str(entry["number"]))
    assert told.code == 1
    assert "never was live" in told.told


def test_what_is_not_meant_or_not_signed_changes_nothing(followed: Followed):
    before = followed.newest()
    other = followed.push("def handle(req):\n    return 'not yet'\n", branch="next")
    ignored = followed.deliver(other, branch="next")
    assert (ignored.status_code, ignored.json()["status"]) == (200, "ignored")
    assert "Not main was pushed" in ignored.json()["reason"]
    assert followed.deliver(other, secret="guessed").status_code == 401
    assert followed.newest() == before
    assert followed.ask() == "pushed"


def test_a_private_repository_asks_for_its_deploy_key_and_is_followed_with_it(
    followed: Followed, tmp_path: Path
):
    cluster, served = followed.cluster, followed.hook["repository"]
    followed.push("def handle(req):\n    return 'public'\n")
    cluster.on_node("pi1", f"su - pi -c 'git clone --quiet --bare {served} private.git'")
    address = cluster.on_node("pi1", "docker node inspect --format '{{.Status.Addr}}' self").strip()
    deploy = ("deploy", "pushed", "--repo", f"ssh://pi@{address}/home/pi/private.git")
    refused = cluster.try_piswarm(*deploy, cwd=tmp_path)
    key = re.search(r"^  (ssh-ed25519 \S+ piswarm pushed)$", refused.told, re.MULTILINE)
    assert key, refused.told
    cluster.on_node("pi1", f"su - pi -c 'echo {key[1]} >>.ssh/authorized_keys'")
    cluster.piswarm(*deploy, cwd=tmp_path, within_s=DEPLOY_WITHIN_S)
    cluster.piswarm("hook", "pushed", within_s=DEPLOY_WITHIN_S)
    commit = followed.push("def handle(req):\n    return 'private'\n")
    cluster.on_node("pi1", f"su - pi -c 'git --git-dir private.git fetch --quiet {served} +main:main'")
    assert followed.deliver(commit).status_code == 202
    assert followed.wait_for_history_of(commit)["failure"] == ""
    assert followed.ask() == "private"


def test_jobs_leave_the_managers_state_to_those_who_deploy(followed: Followed):
    owners = followed.cluster.on_node("pi1", "find /var/lib/piswarm -printf '%u\\n' | sort -u").split()
    assert owners == ["pi"]
