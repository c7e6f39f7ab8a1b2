"""Changing machines: the playbook `machines.yml` through ansible-runner, on the nodes that need it.

No secret reaches Ansible's files or command lines: the sudo password is typed at Ansible's own prompt.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from piswarm.cluster.inventory import write_file
from piswarm.errors import ProvisionError
from piswarm.secret import Secret
from piswarm.settings import PLAYBOOKS

PROVISION_TIMEOUT_S = 3600
_FAILURES = ("runner_on_failed", "runner_on_unreachable")


@dataclass
class Outcome:
    """What came of a playbook.

    Attributes:
        failures: for each node that failed, the task and what was observed there.
        changed: names of the nodes on which something changed.
    """

    failures: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)


def playbooks_digest() -> str:
    """Return a digest of all playbooks, so that a node knows whether it was provisioned by these."""
    digest = hashlib.sha256()
    for path in sorted(PLAYBOOKS.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(PLAYBOOKS)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def run_playbook(
    playbook: str,
    inventory: Mapping[str, Any],
    *,
    sudo_password: Secret | None,
    on_task: Callable[[str, str], None],
    log_file: Path,
    timeout_s: int = PROVISION_TIMEOUT_S,
) -> Outcome:
    """Run a playbook on all nodes of an inventory.

    Args:
        playbook: its file name in `playbooks/`.
        inventory: an Ansible inventory; it must hold no secrets.
        sudo_password: what sudo asks for on the nodes; None where it asks nothing.
        on_task: is called with a node's name and the task that has just ended there.
        log_file: where Ansible's own output is kept, for when something fails.
        timeout_s: seconds until the whole run is given up.

    Raises:
        ProvisionError: Ansible itself could not be run, or the time was up.
    """
    outcome = Outcome()

    def take(event: dict[str, Any]) -> bool:
        data = event.get("event_data", {})
        node = data.get("host")
        if node and event["event"] in ("runner_on_ok", *_FAILURES) and not data.get("ignore_errors"):
            if not data.get("task", "").startswith("Validating arguments"):
                on_task(node, data.get("task", ""))
            if event["event"] in _FAILURES:
                outcome.failures[node] = f"{data.get('task', 'a task')}: {_observed(data.get('res', {}))}"
        return True  # ansible-runner drops the event otherwise, and with it the statistics

    with tempfile.TemporaryDirectory(prefix="piswarm-ansible-") as folder:
        run = ansible_runner.run(
            private_data_dir=folder,
            playbook=str(PLAYBOOKS / playbook),
            inventory=dict(inventory),
            envvars=_environment(),
            cmdline="--ask-become-pass" if sudo_password else None,
            passwords={r"BECOME password.*:\s*?$": sudo_password.reveal()} if sudo_password else None,
            settings={"job_timeout": timeout_s, "suppress_ansible_output": True},
            event_handler=take,
            suppress_env_files=True,
            quiet=True,
        )
        write_file(log_file, _readable(run.stdout.read()), 0o600)
        outcome.changed = sorted((run.stats or {}).get("changed", {}))
    if run.status == "timeout":
        raise ProvisionError(
            f"Ansible was not done within {timeout_s} s.",
            f"Its log is in {log_file}; run the same command again to go on.",
        )
    if run.rc != 0 and not outcome.failures:
        raise ProvisionError(
            f"Ansible could not run {playbook} (exit code {run.rc}).", f"Its log is in {log_file}."
        )
    return outcome


def _environment() -> dict[str, str]:
    """Return what Ansible gets: the tools beside our own interpreter first, our settings, nobody else's."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
    }


def _observed(result: Mapping[str, Any]) -> str:
    for key in ("stderr", "msg", "stdout"):
        text = str(result.get(key) or "").strip()
        if text:
            return " / ".join(line.strip() for line in text.splitlines()[-3:])
    return "no reason given"


def _readable(output: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", output)
