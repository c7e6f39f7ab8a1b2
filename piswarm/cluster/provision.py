"""Changing machines: the playbook `machines.yml` through ansible-runner, on the nodes that need it.

No secret reaches Ansible's files or command lines: the sudo password is typed at Ansible's own prompt.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ansible_runner

from piswarm.cluster.inventory import write_file
from piswarm.errors import ProvisionError
from piswarm.secret import Secret
from piswarm.settings import PLAYBOOKS

PROVISION_TIMEOUT_S = 3600
_FAILURES = ("runner_on_failed", "runner_on_unreachable")


@dataclass(frozen=True)
class Outcome:
    """What came of a playbook.

    Attributes:
        exit_code: Ansible's exit code.
        timed_out: whether it was ended because its time was up.
        failures: for each node that failed, the task and what was observed there.
        changed: names of the nodes on which something changed.
    """

    exit_code: int
    timed_out: bool
    failures: dict[str, str]
    changed: list[str]


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
    quicker = _quicker_strategy()
    run = partial(_run, playbook, inventory, sudo_password, on_task, log_file, timeout_s)
    outcome = run(quicker)
    if outcome.exit_code != 0 and not outcome.failures and quicker:
        outcome = run(
            {}
        )  # Mitogen does not know this version of Ansible; plain Ansible does the same, slower
    if outcome.timed_out:
        raise ProvisionError(
            f"Ansible was not done within {timeout_s} s.",
            f"Its log is in {log_file}; run the same command again to go on.",
        )
    if outcome.exit_code != 0 and not outcome.failures:
        raise ProvisionError(
            f"Ansible could not run {playbook} (exit code {outcome.exit_code}).", f"Its log is in {log_file}."
        )
    return outcome


def _run(
    playbook: str,
    inventory: Mapping[str, Any],
    sudo_password: Secret | None,
    on_task: Callable[[str, str], None],
    log_file: Path,
    timeout_s: int,
    strategy: Mapping[str, str],
) -> Outcome:
    failures: dict[str, str] = {}

    def take(event: dict[str, Any]) -> bool:
        data = event.get("event_data", {})
        node, task = data.get("host"), data.get("task", "")
        if node and event["event"] in ("runner_on_ok", *_FAILURES) and not data.get("ignore_errors"):
            if not task.startswith("Validating arguments"):
                on_task(node, task)
            if event["event"] in _FAILURES:
                failures[node] = f"{task or 'a task'}: {_observed(data.get('res', {}))}"
        return True  # ansible-runner drops the event otherwise, and with it the statistics

    with tempfile.TemporaryDirectory(prefix="piswarm-ansible-") as folder:
        run = ansible_runner.run(
            private_data_dir=folder,
            playbook=str(PLAYBOOKS / playbook),
            inventory=dict(inventory),
            envvars={**_environment(), **strategy},
            cmdline="--ask-become-pass" if sudo_password else None,
            passwords={r"BECOME password.*:\s*?$": sudo_password.reveal()} if sudo_password else None,
            settings={"job_timeout": timeout_s, "suppress_ansible_output": True},
            event_handler=take,
            suppress_env_files=True,
            quiet=True,
        )
        write_file(log_file, _readable(run.stdout.read()), 0o600)
        changed = sorted((run.stats or {}).get("changed", {}))
    return Outcome(run.rc, run.status == "timeout", failures, changed)


def _environment() -> dict[str, str]:
    """Return what Ansible gets: the tools beside our own interpreter first, our settings, nobody else's."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
    }


def _quicker_strategy() -> dict[str, str]:
    """Return the settings that make Ansible use Mitogen, where that is installed and the user did not object."""
    found = importlib.util.find_spec("ansible_mitogen")
    if found is None or not found.submodule_search_locations or os.environ.get("PISWARM_MITOGEN") == "0":
        return {}
    plugins = Path(found.submodule_search_locations[0]) / "plugins" / "strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_free", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}


def _observed(result: Mapping[str, Any]) -> str:
    for key in ("stderr", "msg", "stdout"):
        text = str(result.get(key) or "").strip()
        if text:
            return " / ".join(line.strip() for line in text.splitlines()[-3:])
    return "no reason given"


def _readable(output: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", output)
