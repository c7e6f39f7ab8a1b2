"""TCP ports for servers of the tests' own."""

import socket
import time

OPEN_DEADLINE_S = 20.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_open(process, port):
    """Wait until `process` accepts connections on `port`."""
    deadline = time.monotonic() + OPEN_DEADLINE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode} instead of serving")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"port {port} was not open after {OPEN_DEADLINE_S} s")
