"""Which Debian base is meant for which architecture."""

import json

import pytest

from piswarm.cluster.bases import OPTIONS_FILE, recorded_base, split
from piswarm.cluster.images import DEFAULT_BASE
from piswarm.errors import ConfigError, UsageError


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "base.tar.gz"
    path.write_bytes(b"\x1f\x8b" + bytes(8))
    return path


def record(folder, **options):
    (folder / OPTIONS_FILE).write_text(json.dumps(options))


def test_one_base_is_for_the_clusters_images_and_others_name_their_architecture():
    assert split(["debian:13", "armhf=/srv/armhf.tar"]) == ("debian:13", ("armhf=/srv/armhf.tar",))
    assert split(["debian:13"]) == ("debian:13", ())
    assert split([]) == ("", ())


def test_two_bases_for_the_same_images_are_refused():
    with pytest.raises(UsageError, match="debian:12, debian:13"):
        split(["debian:12", "debian:13"])


def test_a_reference_serves_every_architecture(tmp_path):
    assert recorded_base(tmp_path, "armhf", "arm64").source == DEFAULT_BASE
    record(tmp_path, base_image="debian:13")
    assert recorded_base(tmp_path, "armhf", "arm64").source == "debian:13"


def test_an_archive_serves_its_own_architecture_only(tmp_path, archive):
    record(tmp_path, base_image=str(archive))
    assert recorded_base(tmp_path, "arm64", "arm64").archive == archive
    with pytest.raises(ConfigError) as caught:
        recorded_base(tmp_path, "armhf", "arm64")
    assert "piswarm init --base-image armhf=IMAGE" in caught.value.hint
    record(tmp_path, base_image="debian:13", other_base_images=[f"armhf={archive}"])
    assert recorded_base(tmp_path, "armhf", "arm64").archive == archive
