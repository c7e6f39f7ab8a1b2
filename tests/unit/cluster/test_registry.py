"""What is deleted from the registry, and when its garbage is worth a new start."""

import json
import shlex

import pytest
from support.recorded_node import RecordedNode

from piswarm.cluster.connect import Result
from piswarm.cluster.manifests import Answer, delete_unneeded, join
from piswarm.cluster.registry import (
    collect_garbage,
    delete_images,
    has_garbage_day,
    is_due,
    join_images,
    platform_of,
)
from piswarm.errors import BuildError


class Registry:
    """The part of a registry's API that knows manifests, in memory."""

    def __init__(self, tags, indexes=None, kind="application/vnd.docker.distribution.manifest.v2+json"):
        self.tags = tags
        self.kind = kind
        self.pushed = None
        self.indexes = indexes or {}

    def __call__(self, method, path, body=b"", kind=""):
        prefix, _, rest = path.removeprefix("/v2/functions/hello/").partition("/")
        if prefix == "tags":
            return self._json({"tags": list(self.tags) or None})
        if method == "PUT":
            self.pushed = (rest, kind, json.loads(body))
            return Answer(201, {"docker-content-digest": "sha256:index"}, b"")
        if method == "DELETE":
            self.tags = {tag: digest for tag, digest in self.tags.items() if digest != rest}
            return Answer(202, {}, b"")
        digest = self.tags.get(rest, rest)
        if digest not in self.tags.values():
            return Answer(404, {}, b"{}")
        return self._json({"manifests": [{"digest": part} for part in self.indexes.get(digest, ())]}, digest)

    def _json(self, document, digest=""):
        headers = {"docker-content-digest": digest, "content-type": self.kind}
        return Answer(200, headers, json.dumps(document).encode())


def test_what_is_not_needed_is_deleted_once_whatever_tags_it_has():
    registry = Registry({"a": "sha256:1", "b": "sha256:2", "b-again": "sha256:2", "c": "sha256:3"})
    assert delete_unneeded(registry, "functions/hello", ["sha256:3"]) == ["sha256:1", "sha256:2"]
    assert registry.tags == {"c": "sha256:3"}


def test_the_images_that_an_index_lists_stay_with_it():
    registry = Registry(
        {"a": "sha256:i", "a-arm64": "sha256:1", "a-armhf": "sha256:2", "b": "sha256:3"},
        {"sha256:i": ["sha256:1", "sha256:2"]},
    )
    assert delete_unneeded(registry, "functions/hello", ["sha256:i"]) == ["sha256:3"]


def test_a_function_that_is_gone_leaves_nothing():
    registry = Registry({"a": "sha256:1"})
    assert delete_unneeded(registry, "functions/hello", []) == ["sha256:1"]
    assert delete_unneeded(registry, "functions/hello", []) == []


def test_an_unexpected_answer_deletes_nothing():
    with pytest.raises(OSError, match="the registry answers 500 out of order"):
        delete_unneeded(lambda *_, **__: Answer(500, {}, b"out of order"), "functions/hello", [])


def test_the_digests_of_the_kept_images_reach_the_node():
    node = RecordedNode(Result("sha256:1\nsha256:2\n", "", 0))
    assert delete_images(node, "functions/hello", ["r:5000/functions/hello:a@sha256:9"]) == 2
    wish = json.loads(shlex.split(node.commands[0])[-1])
    assert wish == {"repository": "functions/hello", "needed": ["sha256:9"]}


OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize(
    ("of_image", "of_index"),
    [
        (
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
        ),
        (OCI, "application/vnd.oci.image.index.v1+json"),
    ],
)
def test_images_for_several_architectures_become_one(of_image, of_index):
    registry = Registry({"a": "sha256:1", "b": "sha256:2"}, kind=of_image)
    armhf = {"os": "linux", "architecture": "arm", "variant": "v7"}
    parts = [
        {"digest": "sha256:1", "platform": platform_of("arm64")},
        {"digest": "sha256:2", "platform": platform_of("armhf")},
    ]
    assert join(registry, "functions/hello", "c-all", parts) == "sha256:index"
    tag, kind, index = registry.pushed
    assert (tag, kind, index["mediaType"]) == ("c-all", of_index, of_index)
    assert [one["platform"] for one in index["manifests"]] == [
        {"os": "linux", "architecture": "arm64"},
        armhf,
    ]
    assert {one["mediaType"] for one in index["manifests"]} == {of_image}
    assert {one["size"] for one in index["manifests"]} == {len(b'{"manifests": []}')}


def test_an_image_that_is_not_there_cannot_be_joined():
    with pytest.raises(OSError, match="there is no functions/hello@sha256:9 in the registry"):
        join(Registry({}), "functions/hello", "c", [{"digest": "sha256:9", "platform": {}}])


def test_the_index_is_named_after_its_first_image():
    node = RecordedNode(Result("sha256:7\n", "", 0))
    images = {
        arch: f"registry.piswarm.internal:5000/functions/hello:{arch}@sha256:{number}"
        for number, arch in enumerate(("amd64", "armhf"))
    }
    assert join_images(node, images) == "registry.piswarm.internal:5000/functions/hello:amd64-all@sha256:7"
    wish = json.loads(shlex.split(node.commands[0])[-1])
    assert (wish["repository"], wish["tag"]) == ("functions/hello", "amd64-all")
    assert [part["digest"] for part in wish["parts"]] == ["sha256:0", "sha256:1"]


def test_a_registry_that_cannot_be_reached_is_told():
    with pytest.raises(BuildError, match=r"old images of functions/hello could not be deleted .*: refused"):
        delete_images(RecordedNode(Result("", "refused\n", 1)), "functions/hello", [])


@pytest.mark.parametrize(
    ("started", "due"),
    [
        ("2026-01-01T12:00:00.123456789Z", True),
        ("2026-01-02T11:59:59.1Z", False),
        ("2026-01-01T12:00:01Z", False),
    ],
)
def test_a_new_start_is_due_after_a_day(started, due):
    assert is_due("2026-01-02T12:00:01", started) is due


def test_a_registry_that_does_not_run_has_no_garbage_day():
    assert not has_garbage_day(
        RecordedNode(Result("2026-01-02T12:00:01\n", "requires at least 1 argument", 1))
    )


def test_a_registry_that_does_not_start_again_is_told():
    with pytest.raises(BuildError, match="the registry did not start again: no suitable node"):
        collect_garbage(RecordedNode(Result("", "no suitable node", 1)))
