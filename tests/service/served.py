"""A function's server as a process of its own, and the way to talk to it."""

import http.client
import os
import subprocess
from contextlib import contextmanager

from tests.service.ports import free_port, wait_until_open


class Served:
    """A runtime process and the way to talk to it."""

    def __init__(self, process, port):
        self.process = process
        self.port = port

    def ask(self, body=b"", *, method="POST", path="/", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()


@contextmanager
def serving(command, log_file, environment):
    """Run a function's server until the end of the block; it writes its log into a file."""
    port = free_port()
    with log_file.open("w") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "port": str(port), "suppress_lock": "true", **environment},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_open(process, port)
        yield Served(process, port)
    finally:
        process.kill()
        process.wait()
