import io
import tarfile
from dataclasses import replace

import pytest

from piswarm.lab.recipe import BaseRecipe, NodeRecipe, archive, node_files

BASE = BaseRecipe("amd64", ("deb http://m/debian trixie main",))
NODE = NodeRecipe(BASE.digest, {"etc/motd": (b"hello\n", 0o644)})


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "armhf"},
        {"sources": ("deb http://other/debian trixie main",)},
        {"packages": ("ca-certificates", "less")},
        {"suite": "forky"},
    ],
)
def test_whatever_changes_in_the_base_changes_its_digest(change):
    assert replace(BASE, **change).digest != BASE.digest


@pytest.mark.parametrize(
    "change",
    [
        {"base": "0" * 12},
        {"packages": ("sudo",)},
        {"prepare": b"#!/bin/sh\n"},
        {"files": {"etc/motd": (b"other\n", 0o644)}},
        {"files": {"etc/motd": (b"hello\n", 0o600)}},
        {"files": {"etc/issue": (b"hello\n", 0o644)}},
        {"files": {}},
    ],
)
def test_whatever_changes_in_the_node_changes_its_digest(change):
    assert replace(NODE, **change).digest != NODE.digest


def test_the_same_recipe_has_the_same_digest():
    assert BaseRecipe("amd64", ("deb http://m/debian trixie main",)).digest == BASE.digest
    assert replace(NODE).digest == NODE.digest
    assert len(NODE.digest) == 12


def test_the_node_image_holds_its_first_process_and_the_machines_authorities():
    files = node_files({"machine-1.crt": "PEM"})
    assert files["usr/local/sbin/boot-as-pi"][1] == 0o755
    assert files["boot/firmware/cmdline.txt"][0].count(b"\n") == 1
    assert files["usr/local/share/ca-certificates/machine-1.crt"] == (b"PEM", 0o644)


def test_an_archive_holds_content_mode_and_root_as_owner():
    packed = archive({"a/b": (b"content", 0o640)})
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        (member,) = tar.getmembers()
        assert (member.name, member.mode, member.uid, member.gid) == ("a/b", 0o640, 0, 0)
        assert tar.extractfile(member).read() == b"content"
