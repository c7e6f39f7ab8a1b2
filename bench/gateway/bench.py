"""The gateway's HAProxy and a bare one with three lines, in front of the same nginx, in turns.

CPU is what the kernel's scheduler counts for HAProxy's processes, to the nanosecond, so a noisy neighbour changes
throughput far more than CPU per request. The figures are medians of the rounds; ours beside the bare one's are the
medians of each round's ratio, for what disturbs one of the two mostly disturbs the other as well.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.tasks_dns import tasks_dns

from piswarm.gateway.haproxy import HAProxy
from piswarm.gateway.haproxy_config import DataPlane, Route, render
from tests.service.ports import free_port, wait_until_open

FUNCTION_ADDRESS = "127.0.2.1"
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of load for each, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--functions", type=int, default=50, help="routes that the gateway knows")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        peers = {
            "bare HAProxy": stack.enter_context(bare(folder)),
            "gateway": stack.enter_context(gateway(folder, options.functions)),
        }
        rounds = [
            {name: measure(peer, options) for name, peer in peers.items()} for _ in range(options.rounds)
        ]
    rows = {
        name: {key: statistics.median(one[name][key] for one in rounds) for key in rounds[0][name]}
        for name in peers
    }
    beside = compare(rounds)
    if options.json:
        print(json.dumps({**rows, "gateway beside bare HAProxy": beside}, indent=2))
        return
    print(f"{'':14} {'requests/s':>10} {'CPU us/request':>15} {'p50 ms':>8} {'p99 ms':>8}")
    for name, row in rows.items():
        print(
            f"{name:14} {row['rate']:>10.0f} {row['cpu_us']:>15.1f} {row['p50_ms']:>8.3f} {row['p99_ms']:>8.3f}"
        )
    print(
        f"gateway: {beside['rate']:.0%} of the throughput, {beside['cpu']:.2f} x the CPU"
        f" ({beside['least_cpu']:.2f} to {beside['most_cpu']:.2f}), p50 {beside['p50_ms']:+.3f} ms"
    )


def compare(rounds: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    pairs = [(one["gateway"], one["bare HAProxy"]) for one in rounds]
    cpu = [ours["cpu_us"] / theirs["cpu_us"] for ours, theirs in pairs]
    return {
        "rate": statistics.median(ours["rate"] / theirs["rate"] for ours, theirs in pairs),
        "cpu": statistics.median(cpu),
        "least_cpu": min(cpu),
        "most_cpu": max(cpu),
        "p50_ms": statistics.median(ours["p50_ms"] - theirs["p50_ms"] for ours, theirs in pairs),
    }


@contextmanager
def started(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_open(process, port)
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def nginx(folder: Path, port: int) -> Iterator[None]:
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;\n"
        "events { worker_connections 4096; }\n"
        "http { access_log off; keepalive_requests 1000000000;\n"
        f'  server {{ listen {FUNCTION_ADDRESS}:{port}; location / {{ return 200 "ok"; }} }} }}\n'
    )
    command = ["nginx", "-c", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        assert process.poll() is None, "nginx ended at its start"
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def bare(folder: Path) -> Iterator[tuple[str, list[int]]]:
    port, behind = free_port(), free_port()
    config = folder / "bare.cfg"
    config.write_text(
        "global\n nbthread 1\n"
        "defaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 1s\n"
        f"listen bare\n bind 127.0.0.1:{port}\n server nginx {FUNCTION_ADDRESS}:{behind}\n"
    )
    with nginx(folder, behind), started(["haproxy", "-f", str(config)], port) as process:
        yield f"http://127.0.0.1:{port}/", [process.pid]


@contextmanager
def gateway(folder: Path, functions: int) -> Iterator[tuple[str, list[int]]]:
    port, behind = free_port(), free_port()
    run = folder / "run"
    behind_folder = folder / "behind"
    behind_folder.mkdir()
    with tasks_dns() as (names, resolver), nginx(behind_folder, behind):
        names.addresses["tasks.echo"] = [FUNCTION_ADDRESS]
        plane = DataPlane(
            bind=f"127.0.0.1:{port}",
            metrics_bind=f"127.0.0.1:{free_port()}",
            controller=f"127.0.0.1:{free_port()}",
            call_log=f"127.0.0.1:{free_port()}",
            succession=f"127.0.0.1:{free_port()}",
            resolver=resolver,
            function_port=behind,
            run_directory=run,
            threads=1,
        )
        routes = [Route("echo", 4), *(Route(f"other-{number}", 4) for number in range(functions - 1))]
        HAProxy(plane).prepare(render(routes, plane))
        command = ["haproxy", "-W", "-S", f"{plane.master_socket},mode,660", "-f", str(plane.config_file)]
        with started(command, port) as master:
            time.sleep(2)
            yield f"http://127.0.0.1:{port}/function/echo", [master.pid, *children(master.pid)]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_s(pids: list[int]) -> float:
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def measure(peer: tuple[str, list[int]], options: argparse.Namespace) -> dict[str, float]:
    url, pids = peer
    before = cpu_s(pids)
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_s(pids) - before
    assert "Non-2xx" not in output, output
    requests = int(re.search(r"(\d+) requests in", output)[1])
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        "cpu_us": 1e6 * used / requests,
        "p50_ms": percentile(output, 50),
        "p99_ms": percentile(output, 99),
    }


def percentile(output: str, which: int) -> float:
    number, unit = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)", output).groups()
    return float(number) * UNITS_MS[unit]


if __name__ == "__main__":
    main()
