"""What a deploy decides and sends."""

from dataclasses import replace
from pathlib import Path

import pytest

from piswarm.errors import SpecError
from piswarm.functions.source import Commit, Source
from piswarm.functions.spec import FunctionSpec
from piswarm.functions.templates import load_templates
from piswarm.functions.version import (
    AUTHOR,
    COMMIT,
    FINGERPRINT,
    SUBJECT,
    Version,
    deployment,
    find_stack_file,
    fingerprint,
    is_live,
    origin,
    previous_deployment,
)
from piswarm.gateway.delivery import FILE, REF, REPOSITORY

PYTHON = load_templates()["python3"]
SOURCE = Source(lambda *_: "", Commit("c" * 40, "First", "Ada"))
SPEC = FunctionSpec("hello", lang="python3", handler="hello", environment={"A": "1"}, labels={"l": "2"})


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (SOURCE, {}),
        (
            replace(SOURCE, url="git://server/hello.git", ref="main"),
            {REPOSITORY: "git://server/hello.git", REF: "main", FILE: "functions/hello.yml"},
        ),
        (
            replace(SOURCE, url="git://server/hello.git"),
            {REPOSITORY: "git://server/hello.git", REF: "", FILE: "functions/hello.yml"},
        ),
    ],
    ids=["work tree", "branch", "default branch"],
)
def test_the_origin_names_the_repository_where_there_is_one(source, place):
    version = Version(source, SPEC, "functions/hello.yml", "functions/hello", PYTHON, "mark")
    assert origin(version) == {
        FINGERPRINT: "mark", COMMIT: "c" * 40, SUBJECT: "First", AUTHOR: "Ada", **place,
    }  # fmt: skip


def test_the_body_is_what_the_wire_contract_asks_for():
    body = deployment(SPEC, "registry/hello@sha256:1", {"piswarm.commit": "abc"})
    assert body == {
        "service": "hello",
        "image": "registry/hello@sha256:1",
        "envProcess": "",
        "envVars": {"A": "1"},
        "constraints": [],
        "secrets": [],
        "labels": {"l": "2"},
        "annotations": {"piswarm.commit": "abc"},
        "limits": {},
        "requests": {},
        "readOnlyRootFilesystem": False,
    }


@pytest.mark.parametrize(
    "other",
    [
        FunctionSpec("hello", environment={"A": "2"}, labels={"l": "2"}),
        FunctionSpec("hello", environment={"A": "1"}, labels={"l": "3"}),
        FunctionSpec("hello", environment={"A": "1"}, labels={"l": "2"}, build_args={"X": "1"}),
        FunctionSpec("hello", environment={"A": "1"}, labels={"l": "2"}, secrets=("s",)),
    ],
)
def test_the_fingerprint_changes_with_what_runs(other):
    assert fingerprint(SPEC, "tree", PYTHON) == fingerprint(SPEC, "tree", PYTHON)
    assert fingerprint(SPEC, "tree", PYTHON) != fingerprint(other, "tree", PYTHON)
    assert fingerprint(SPEC, "tree", PYTHON) != fingerprint(SPEC, "other tree", PYTHON)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"annotations": {FINGERPRINT: "f"}, "replicas": 1, "availableReplicas": 1}, True),
        ({"annotations": {FINGERPRINT: "f"}, "replicas": 2, "availableReplicas": 1}, True),
        ({"annotations": {FINGERPRINT: "f"}, "replicas": 0, "availableReplicas": 0}, True),
        ({"annotations": {FINGERPRINT: "f"}, "replicas": 1, "availableReplicas": 0}, False),
        ({"annotations": {FINGERPRINT: "g"}, "replicas": 1, "availableReplicas": 1}, False),
        ({"annotations": None, "replicas": 1, "availableReplicas": 1}, False),
    ],
)
def test_there_is_nothing_to_do_only_when_this_version_runs(status, expected):
    assert is_live(status, "f") is expected


def test_the_version_before_can_be_deployed_again():
    running = {
        "name": "hello",
        "replicas": 2,
        "availableReplicas": 2,
        "createdAt": "2026-01-01T00:00:00Z",
        **{
            key: value
            for key, value in deployment(SPEC, "image", {"piswarm.commit": "abc"}).items()
            if key != "service"
        },
    }
    assert previous_deployment(running) == deployment(SPEC, "image", {"piswarm.commit": "abc"})


def test_the_file_of_a_function_is_found(tmp_path):
    (tmp_path / "stack.yml").touch()
    assert find_stack_file("hello", tmp_path, "") == (tmp_path / "stack.yml").resolve()
    (tmp_path / "hello.yml").touch()
    assert find_stack_file("hello", tmp_path, "") == (tmp_path / "hello.yml").resolve()
    assert find_stack_file("hello", tmp_path, "stack.yml") == (tmp_path / "stack.yml").resolve()


def test_a_missing_file_is_told_with_the_nearest(tmp_path):
    (tmp_path / "functest.yml").touch()
    with pytest.raises(SpecError) as caught:
        find_stack_file("functst", tmp_path, "")
    assert "There is no functst.yml and no stack.yml in" in caught.value.message
    assert "(did you mean 'functest'?)" in caught.value.message
    assert caught.value.hint == "Start a function: piswarm new functst"
    with pytest.raises(SpecError, match="There is no file"):
        find_stack_file("functest", Path(tmp_path), "other.yml")
