"""How long the main job takes: lab up, init on bare nodes, init again, the first and the second deploy, --help.

The peer of `init` is the plain way in the same run: Ansible without Mitogen (PISWARM_MITOGEN=0).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAB = "bench"
WITHIN_S = 1800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how often the whole job is done")
    parser.add_argument("--nodes", type=int, default=3, help="how many simulated Pis")
    parser.add_argument("--plain", action="store_true", help="also measure init without Mitogen")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    taken: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"PISWARM_HOME": home, "PISWARM_LAB": LAB}
        piswarm("lab", "up", "--nodes", "1", environment=environment)  # makes the image, once
        try:
            for _ in range(options.times):
                whole_job(options.nodes, environment, taken)
                if options.plain:
                    plain = environment | {"PISWARM_MITOGEN": "0"}
                    piswarm("lab", "down", environment=environment)
                    piswarm("lab", "up", "--nodes", str(options.nodes), environment=environment)
                    taken["init on bare nodes, without Mitogen"].append(
                        piswarm("init", "--lab", "--yes", environment=plain)
                    )
        finally:
            piswarm("lab", "down", environment=environment)
    report(taken, options)


def whole_job(nodes: int, environment: dict[str, str], taken: dict[str, list[float]]) -> None:
    piswarm("lab", "down", environment=environment)
    taken[f"lab up, {nodes} nodes, image there"].append(
        piswarm("lab", "up", "--nodes", str(nodes), environment=environment)
    )
    taken["init on bare nodes"].append(piswarm("init", "--lab", "--yes", environment=environment))
    taken["init again"].append(piswarm("init", "--lab", "--yes", environment=environment))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "stacks/functest", folder, dirs_exist_ok=True)
        commit(folder)
        taken["first deploy"].append(piswarm("deploy", "functest", environment=environment, cwd=folder))
        handler = Path(folder, "functest", "handler.py")
        handler.write_text(handler.read_text() + "\n# a second version\n")
        commit(folder)
        taken["second deploy, handler changed"].append(
            piswarm("deploy", "functest", environment=environment, cwd=folder)
        )
        taken["deploy of the same commit"].append(
            piswarm("deploy", "functest", environment=environment, cwd=folder)
        )
    for _ in range(5):
        taken["piswarm --help"].append(piswarm("--help", environment=environment))


def piswarm(*arguments: str, environment: dict[str, str], cwd: str | Path = ROOT) -> float:
    """Run a command that must succeed, and return how long it took, in seconds."""
    command = [str(ROOT / ".venv/bin/piswarm"), *arguments]
    began = time.monotonic()
    ran = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    if ran.returncode != 0:
        sys.exit(f"{' '.join(arguments)} failed:\n{ran.stderr[-3000:]}")
    return time.monotonic() - began


def commit(folder: str) -> None:
    if not Path(folder, ".git").exists():
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True, timeout=60)
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for words in (["add", "--all"], [*identity, "commit", "--quiet", "--message", "bench"]):
        subprocess.run(["git", *words], cwd=folder, check=True, timeout=60)


def report(taken: dict[str, list[float]], options: argparse.Namespace) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    rows = [
        {
            "what": what,
            "median_s": statistics.median(times),
            "least_s": min(times),
            "most_s": max(times),
            "times": len(times),
        }
        for what, times in taken.items()
    ]
    if options.json:
        print(json.dumps({"machine": machine, "nodes": options.nodes, "rows": rows}, indent=2))
        return
    print(f"machine: {machine}; {options.nodes} nodes")
    for row in rows:
        print(
            f"{row['what']:<40} median {row['median_s']:7.2f} s   "
            f"({row['least_s']:.2f} to {row['most_s']:.2f}, {row['times']} times)"
        )


if __name__ == "__main__":
    main()
