"""The package works from its wheel: playbooks and stacks are inside, and the command finds them there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHIN_S = 120


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=WITHIN_S)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=WITHIN_S)
    return folder


def run(installed: Path, code: str, cwd: Path) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r}); {code}"]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_everything_that_a_cluster_is_made_of_is_inside(installed: Path):
    for tree in ("playbooks", "stacks"):
        wanted = {
            path.relative_to(ROOT)
            for path in (ROOT / tree).rglob("*")
            if path.is_file() and not {"__pycache__", ".ansible"} & set(path.parts)
        }
        assert wanted
        missing = [path for path in wanted if not (installed / "piswarm" / "_data" / path).is_file()]
        assert not missing, missing
    assert (installed / "piswarm/cluster/probe.sh").is_file()
    assert (installed / "piswarm/gateway").is_dir()
    assert (installed / "piswarm/lab/prepare").is_file()
    assert (installed / "piswarm/lab/rootfs/usr/local/sbin/boot-as-pi").is_file()


def test_the_command_finds_it_there(installed: Path, tmp_path: Path):
    code = (
        "from piswarm.settings import PLAYBOOKS; from piswarm.cluster.images import cluster_images, read_base;"
        "print(PLAYBOOKS); print(sorted(cluster_images(read_base('debian:trixie-slim'))))"
    )
    playbooks, images = run(installed, code, tmp_path).splitlines()
    assert playbooks == str(installed / "piswarm/_data/playbooks")
    assert images == "['gateway', 'python3', 'registry']"


def test_the_images_are_the_same_as_from_the_checkout(installed: Path, tmp_path: Path):
    code = (
        "from piswarm.cluster.images import cluster_images, read_base;"
        "print([one.reference for one in cluster_images(read_base('debian:trixie-slim')).values()])"
    )
    assert run(installed, code, tmp_path) == run(ROOT, code, tmp_path)


def test_the_console_script_is_declared(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (entry,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "piswarm = piswarm.cli.main:main" in archive.read(entry).decode()
