"""The function runtime and its peers, one after the other: an echo handler, the same requests, the same computer.

CPU is what the server's processes (ended children included) account for themselves, so a noisy neighbour
changes throughput but not CPU per request. Memory is the resident set after the load. The process for each
request is started by piswarm's own runtime (`fprocess`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
BODY = "x" * 100
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024

HANDLER = "def handle(req):\n    return req\n"
PROGRAM = "import sys\nsys.stdout.write(sys.stdin.read())\n"
PEERS = {
    "piswarm.runtime": [sys.executable, "-m", "piswarm.runtime", "function"],
    "piswarm on uvicorn, h11, asyncio": [sys.executable, str(HERE / "peers.py"), "uvicorn-h11"],
    "piswarm on granian": [sys.executable, str(HERE / "peers.py"), "granian"],
    "waitress": [sys.executable, str(HERE / "peers.py"), "waitress"],
    "flask on waitress": [sys.executable, str(HERE / "peers.py"), "flask"],
    "one python3 process a request": [sys.executable, "-m", "piswarm.runtime", "function"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default="", help="part of the name of the one to measure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        measure(name, command, options.seconds, options.connections)
        for name, command in PEERS.items()
        if options.only in name
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(
        f"{'':34} {'requests/s':>10} {'CPU us/request':>15} {'p50 ms':>7} {'p99 ms':>7} {'MB':>6} {'start s':>8}"
    )
    for row in rows:
        print(
            f"{row['name']:34} {row['rate']:>10.0f} {row['cpu_us']:>15.0f} {row['p50_ms']:>7.2f}"
            f" {row['p99_ms']:>7.2f} {row['memory_mb']:>6.1f} {row['start_s']:>8.2f}"
        )


def measure(name: str, command: list[str], seconds: int, connections: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as log:
        (Path(folder) / "function").mkdir()
        (Path(folder) / "function" / "handler.py").write_text(HANDLER)
        (Path(folder) / "program.py").write_text(PROGRAM)
        (Path(folder) / "post.lua").write_text(f'wrk.method = "POST"\nwrk.body = "{BODY}"\n')
        port = free_port()
        environment = {**os.environ, "port": str(port), "suppress_lock": "true", "linger": "0"}
        if name == "one python3 process a request":
            environment["fprocess"] = f"{sys.executable} {folder}/program.py"
        began = time.monotonic()
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            wait_for_answer(server, port)
            start_s = time.monotonic() - began
            load(folder, port, 1, connections)
            before = cpu_s(server.pid)
            report = load(folder, port, seconds, connections)
            spent = cpu_s(server.pid) - before
            memory_kb = resident_kb(server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    requests = report.pop("requests")
    return {
        "name": name,
        **report,
        "cpu_us": spent / requests * 1e6,
        "memory_mb": memory_kb / 1024,
        "start_s": start_s,
    }


def load(folder: str, port: int, seconds: int, connections: int) -> dict[str, float]:
    """Load the server and return what wrk reports."""
    command = [
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
        "--timeout", "20s", "--latency", "--script", f"{folder}/post.lua", f"http://127.0.0.1:{port}/",
    ]  # fmt: skip
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"The load was not answered cleanly:\n{text}")
    return {
        "requests": int(re.search(r"(\d+) requests in", text)[1]),
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "p50_ms": milliseconds(re.search(r"50%\s+(\S+)", text)[1]),
        "p99_ms": milliseconds(re.search(r"99%\s+(\S+)", text)[1]),
    }


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process, its threads, its living children, and its ended children."""
    total = 0.0
    for one in (pid, *children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15]) / TICKS
    return total


def resident_kb(pid: int) -> int:
    return sum(
        int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE_KB for one in (pid, *children(pid))
    )


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_answer(server: subprocess.Popen[bytes], port: int, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"The server ended with {server.returncode} instead of serving.")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise SystemExit(f"The server did not listen within {timeout_s:.0f} s.")


if __name__ == "__main__":
    main()
