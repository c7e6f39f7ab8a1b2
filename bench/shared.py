"""What several benches do alike: run a command, deploy a function, tell how long things took."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND_WITHIN_S = 600


def piswarm(*arguments: str, cwd: str | None = None) -> None:
    """Run `piswarm` as a user would; end with what it said if it fails."""
    command = [sys.executable, "-m", "piswarm", *arguments]
    ran = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=COMMAND_WITHIN_S, check=False
    )
    if ran.returncode != 0:
        sys.exit(f"piswarm {' '.join(arguments)} failed:\n{ran.stderr[-3000:]}")


def deploy_echo(function: str) -> None:
    """Deploy a function that gives back what it gets."""
    with tempfile.TemporaryDirectory() as folder:
        piswarm("new", function, cwd=folder)
        Path(folder, function, "handler.py").write_text("def handle(req):\n    return req\n")
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        for words in (("add", "--all"), (*identity, "commit", "--quiet", "--message", "bench")):
            subprocess.run(["git", *words], cwd=folder, check=True, timeout=60)
        piswarm("deploy", function, cwd=folder)


def report_seconds(taken: dict[str, list[float]], *, as_json: bool) -> None:
    """Print how long each thing took: median, least and most."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    if as_json:
        print(json.dumps({"machine": machine, "seconds": taken}, indent=2))
        return
    print(f"machine: {machine}")
    for what, times in taken.items():
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"{what:<36} median {statistics.median(times):6.2f} s   ({spread}, {len(times)} times)")
