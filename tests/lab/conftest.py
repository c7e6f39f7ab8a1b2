"""One lab for all of these tests: three simulated Pis, made at the first need and always taken down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.laboratory import (
    ARMHF_LAB,
    ARTIFACTS,
    DEPLOY_WITHIN_S,
    FAILURE_LAB,
    NODES,
    ROOT,
    SHARED_LAB,
    Workplace,
    commit_all,
    keep_logs,
    lab_up,
    page_served,
)

INIT_WITHIN_S = 600
WITHOUT_MEMORY_LIMITS = """
if [ -d /sys/fs/cgroup/memory ]; then
    mount -o remount,rw /sys/fs/cgroup && umount /sys/fs/cgroup/memory && rmdir /sys/fs/cgroup/memory
else
    echo cpu io pids >/run/controllers && mount --bind /run/controllers /sys/fs/cgroup/cgroup.controllers
fi
"""
"""Until the next boot a node looks as a Pi does whose kernel was not told to account for memory."""


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Iterator[Workplace]:
    """Three simulated Pis, freshly flashed."""
    with lab_up(Workplace(SHARED_LAB, tmp_path_factory.mktemp("home")), len(NODES)) as user:
        yield user


@pytest.fixture(scope="session")
def cluster(lab) -> Workplace:
    """A cluster made of the lab's nodes, one of which needs a reboot and one a time server at first."""
    lab.on_node(NODES[1], "systemctl disable --now systemd-timesyncd")
    lab.on_node(NODES[2], WITHOUT_MEMORY_LIMITS)
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
    """The address of a page that holds the word `raspberries`."""
    with page_served(lab) as address:
        yield address


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep what the nodes say, if a test of theirs fails."""
    report = yield
    if report.failed:
        for lab in (SHARED_LAB, ARMHF_LAB, FAILURE_LAB):
            keep_logs(lab, ARTIFACTS / item.name)
    return report
