"""One lab for all of these tests: three simulated Pis, made at the first need and always taken down."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.lab.laboratory import ARTIFACTS, DEPLOY_WITHIN_S, NODES, ROOT, Workplace, commit_all, keep_logs

UP_WITHIN_S = 240
INIT_WITHIN_S = 600


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def lab(workplace) -> Iterator[Workplace]:
    """Three simulated Pis, freshly flashed."""
    workplace.piswarm("lab", "down")
    try:
        workplace.piswarm("lab", "up", "--nodes", str(len(NODES)), within_s=UP_WITHIN_S)
        yield workplace
    finally:
        workplace.piswarm("lab", "down")


@pytest.fixture(scope="session")
def cluster(lab) -> Workplace:
    """A cluster made of the lab's nodes."""
    lab.piswarm("init", "--lab", "--yes", within_s=INIT_WITHIN_S)
    return lab


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    """The example in a git repository of its own."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "stacks/functest", folder, dirs_exist_ok=True)
    return commit_all(folder)


@pytest.fixture(scope="session")
def functest(cluster, source) -> Workplace:
    """A cluster on which the example is live."""
    cluster.piswarm("deploy", "functest", cwd=source, within_s=DEPLOY_WITHIN_S)
    return cluster


@pytest.fixture(scope="session")
def page(lab) -> Iterator[str]:
    """The address of a page that holds the word `raspberries`, served to the lab's bridge only."""
    subnet = lab.piswarm("lab", "status", "--json").document()["subnet"]
    address = str(IPv4Network(subnet)[1])
    with http.server.ThreadingHTTPServer((address, 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}/"
        server.shutdown()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep what the nodes say, if a test of theirs fails."""
    report = yield
    if report.failed and "lab" in getattr(item, "fixturenames", ()):
        keep_logs(ARTIFACTS / item.name)
    return report


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>Example</title>A page about raspberries.\n")

    def log_message(self, *_: object) -> None:
        """Keep the tests' output to themselves."""
