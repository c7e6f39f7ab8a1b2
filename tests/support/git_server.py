"""A git server over HTTP, as Gitea and its like are one: git's own http-backend behind a small server of Python's."""

import http.server
import os
import subprocess
import threading
from contextlib import contextmanager

WITHIN_S = 60


class _Backend(http.server.BaseHTTPRequestHandler):
    """Runs http-backend for each request, in the way of CGI: https://git-scm.com/docs/git-http-backend"""

    def answer(self):
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ran = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env=environment,
            capture_output=True,
            check=True,
            timeout=WITHIN_S,
        )
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815  (http.server calls these)

    def log_message(self, *_):
        """Keep the tests' output to themselves."""


@contextmanager
def git_over_http(address, folder):
    """Serve the repositories in `folder` at an address of this computer, and give their common URL."""
    with http.server.ThreadingHTTPServer((address, 0), _Backend) as server:
        server.folder = folder
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}"
        server.shutdown()
