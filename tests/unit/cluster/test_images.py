import gzip
import io
import subprocess
import sys
import tarfile

import pytest

from piswarm.cluster.images import (
    BUILT_HERE,
    Base,
    build,
    cluster_images,
    deployer_image,
    push,
    read_base,
)
from piswarm.cluster.shell import Result
from piswarm.errors import BuildError, ConfigError
from piswarm.settings import STACKS

BASE = Base(None, "debian:trixie-slim", "0123456789ab")


def names_in(context: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(context))) as archive:
        return archive.getnames()


def test_the_same_files_make_the_same_bytes_and_the_same_tag():
    one, other = cluster_images(BASE), cluster_images(BASE)
    assert {name: image.context for name, image in one.items()} == {
        name: image.context for name, image in other.items()
    }
    assert [image.reference for image in one.values()] == [image.reference for image in other.values()]


def test_another_base_makes_other_tags_of_the_same_context():
    one, other = cluster_images(BASE)["gateway"], cluster_images(Base(None, "x", "ba9876543210"))["gateway"]
    assert one.context == other.context
    assert one.reference != other.reference


def test_each_image_is_called_by_the_registry_its_name_and_its_content():
    for name, image in cluster_images(BASE).items():
        repository, _, tag = image.reference.rpartition(":")
        assert repository == f"registry.piswarm.internal:5000/piswarm/{name}"
        assert len(tag) == 12
        assert int(tag, 16) >= 0
    assert len({image.reference.rpartition(":")[2] for image in cluster_images(BASE).values()}) == 3


def test_an_image_made_elsewhere_is_pulled_and_called_by_its_reference():
    elsewhere = {"gateway": "example.org/gateway:1", "registry": ""}
    images, own = cluster_images(BASE, elsewhere), cluster_images(BASE)
    assert (images["gateway"].prebuilt, images["gateway"].context) == ("example.org/gateway:1", b"")
    assert images["gateway"].reference not in ("example.org/gateway:1", own["gateway"].reference)
    assert images["registry"] == own["registry"]
    other = cluster_images(BASE, {"gateway": "example.org/gateway:2"})
    assert other["gateway"].reference != images["gateway"].reference


class PullingShell:
    """A node whose engine pulls images that all start the same program."""

    node = "pi1"

    def __init__(self, starts):
        self._starts = starts
        self.commands = []

    def run(self, command, *, timeout_s, check=True):
        self.commands.append(command)
        if "Entrypoint" in command:
            return Result(f"{self._starts}\n", "", 0)
        return Result("", "", 1 if "{{.Id}}" in command else 0)

    def stream(self, command, on_line, *, timeout_s):
        self.commands.append(command)
        return 0


def build_elsewhere(shell):
    image = cluster_images(BASE, {"registry": "example.org/registry:1"})["registry"]
    build(shell, image, "linux/arm64", lambda _: None)


def test_an_image_made_elsewhere_is_pulled_for_the_platform_and_gets_the_clusters_name():
    shell = PullingShell('["/usr/lib/piswarm/start"]')
    build_elsewhere(shell)
    assert "docker pull --platform linux/arm64 example.org/registry:1" in shell.commands
    assert shell.commands[-1].startswith("docker tag example.org/registry:1 registry.piswarm.internal:5000/")


def test_an_image_that_is_none_of_ours_is_refused_and_does_not_get_the_clusters_name():
    shell = PullingShell('["/entrypoint.sh"]')
    with pytest.raises(BuildError, match=r"example.org/registry:1 is no registry image.*entrypoint\.sh"):
        build_elsewhere(shell)
    assert not any(command.startswith("docker tag") for command in shell.commands)


def test_the_images_that_may_be_pulled_start_the_same_program():
    for name in ("gateway", "registry"):
        dockerfile = (STACKS / "images" / name / "Dockerfile").read_text()
        assert 'ENTRYPOINT ["/usr/lib/piswarm/start"]\n' in dockerfile


class FailingShell:
    """A node whose engine prints some lines and fails."""

    node = "pi1"

    def __init__(self, *lines):
        self._lines = lines

    def stream(self, _, on_line, *, timeout_s):
        for line in self._lines:
            on_line(line)
        return 1


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["layer: Pushing", "unauthorized: authentication required"],
            "unauthorized: authentication required",
        ),
        (["#7 1.2 E: no such package", "------", "> [2/5] RUN apt-get"], "E: no such package"),
        ([], "none"),
    ],
)
def test_what_the_engine_said_of_a_failure_is_told(lines, told):
    with pytest.raises(BuildError) as caught:
        push(FailingShell(*lines), "registry.piswarm.internal:5000/piswarm/base:1", lambda _: None)
    assert caught.value.message.splitlines()[-1].strip() == told


def test_build_in_place_of_a_reference_means_to_build():
    assert cluster_images(BASE, {"gateway": BUILT_HERE, "registry": BUILT_HERE}) == cluster_images(BASE)


def test_an_image_holds_its_folder_and_what_it_needs_of_the_package_and_nothing_else():
    images = {name: names_in(image.context) for name, image in cluster_images(BASE).items()}
    assert all("Dockerfile" in names for names in images.values())
    assert {"piswarm/__init__.py", "piswarm/errors.py", "piswarm/gateway/__main__.py"} <= {*images["gateway"]}
    assert "piswarm/runtime/__main__.py" in images["python3"]
    assert not [name for name in images["registry"] if name.startswith("piswarm/")]
    every = [name for names in images.values() for name in names]
    assert not [name for name in every if "__pycache__" in name or name.startswith(("/", ".."))]
    assert not [name for name in images["gateway"] if name.startswith("piswarm/cluster")]


IMPORT_ALL = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(("fabric", "invoke", "paramiko", "rich", "typer", "zeroconf", "ansible_runner")))
import piswarm
for module in pkgutil.walk_packages(piswarm.__path__, "piswarm."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import piswarm.deployer.__main__
from piswarm.functions.templates import load_templates
print(piswarm.__file__, *load_templates())
"""


def test_the_deployers_image_holds_all_that_it_imports_and_the_languages(tmp_path):
    context = gzip.decompress(deployer_image("0123456789ab", "1000", "104").context)
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        archive.extractall(tmp_path)
    command = [sys.executable, "-c", IMPORT_ALL]
    ran = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": ""}, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path))
    assert {"python3", "node", "shell", "dockerfile"} <= set(ran.stdout.split())


def test_the_deployers_image_belongs_to_those_who_own_the_nodes_state():
    one, other = (deployer_image("0123456789ab", user, "104") for user in ("1000", "1001"))
    assert one.arguments == {"USER_ID": "1000", "GROUP_ID": "104"}
    assert one.reference != other.reference


def test_who_made_the_files_and_when_does_not_matter():
    with tarfile.open(
        fileobj=io.BytesIO(gzip.decompress(cluster_images(BASE)["gateway"].context))
    ) as archive:
        entries = archive.getmembers()
    assert {(entry.mtime, entry.uid, entry.gid, entry.uname) for entry in entries} == {(0, 0, 0, "")}
    assert {entry.mode for entry in entries} <= {0o644, 0o755}
    made_at = cluster_images(BASE)["gateway"].context[4:8]  # https://www.rfc-editor.org/rfc/rfc1952 MTIME
    assert made_at == bytes(4)


def test_a_base_is_a_reference_or_an_archive(tmp_path):
    archive = tmp_path / "base.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("etc"))
    by_reference, by_file = read_base("debian:trixie-slim"), read_base(str(archive))
    assert (by_reference.source, by_reference.archive) == ("debian:trixie-slim", None)
    assert (by_file.source, by_file.archive) == ("", archive)
    assert by_reference.digest != read_base("debian:bookworm-slim").digest


def test_a_changed_archive_is_another_base(tmp_path):
    path = tmp_path / "base.tar.gz"
    path.write_bytes(gzip.compress(b"one", mtime=0))
    before = read_base(str(path)).digest
    path.write_bytes(gzip.compress(b"two", mtime=0))
    assert read_base(str(path)).digest != before


@pytest.mark.parametrize("missing", ["/nowhere/base.tar", "./base", "~/base.tar.gz", "cards/base.tar"])
def test_an_archive_that_is_not_there_is_told(missing):
    with pytest.raises(ConfigError, match="no base image archive") as caught:
        read_base(missing)
    assert "--base-image" in caught.value.hint


def test_a_file_that_is_no_archive_is_told(tmp_path):
    path = tmp_path / "base.tar"
    path.write_text("a page that says 404")
    with pytest.raises(ConfigError, match="not a tar archive"):
        read_base(str(path))


@pytest.mark.parametrize(
    "reference", ["debian:trixie-slim", "registry.example.org/someone/base:1", "localhost:5000/base"]
)
def test_references_with_slashes_are_references(reference):
    assert read_base(reference).source == reference
