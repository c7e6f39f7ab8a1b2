"""For which architectures a function is built, and where."""

from pathlib import Path

import pytest

from piswarm.cluster.inventory import Cluster, NodeRecord
from piswarm.errors import SpecError
from piswarm.functions.architectures import builders, check_built_by_one, pin, wanted


def cluster(*nodes, image_arch="arm64"):
    records = tuple(
        NodeRecord(name, f"10.0.0.{number}", "worker" if number else "manager", arch, memory_mb=memory)
        for number, (name, arch, memory) in enumerate(nodes)
    )
    return Cluster("home", Path("/nowhere"), "pi", records, image_arch)


def names(found):
    return {arch: [node.name for node in nodes] for arch, nodes in found.items()}


def test_where_all_are_alike_the_manager_builds():
    assert names(builders(cluster(("a", "arm64", 1), ("b", "arm64", 1)))) == {"arm64": ["a"]}


def test_each_other_kind_of_node_builds_for_itself_the_largest_first():
    mixed = cluster(("a", "arm64", 8), ("b", "armhf", 1), ("c", "armhf", 2), ("d", "arm64", 4))
    assert names(builders(mixed)) == {"arm64": ["a"], "armhf": ["c", "b"]}


def test_the_manager_builds_what_its_own_images_are():
    mixed = cluster(("a", "arm64", 8), ("b", "armhf", 1), ("c", "arm64", 2), image_arch="armhf")
    assert names(builders(mixed)) == {"armhf": ["a"], "arm64": ["c"]}


def test_a_node_that_nothing_is_known_of_builds_nothing():
    assert names(builders(cluster(("a", "arm64", 8), ("b", "", 0), ("c", "riscv64", 1)))) == {"arm64": ["a"]}


@pytest.mark.parametrize(
    ("constraint", "left"),
    [
        ("node.labels.piswarm.arch==arm64", ["arm64"]),
        ("node.labels.piswarm.arch == armhf", ["armhf"]),
        ("node.labels.piswarm.arch != armhf", ["amd64", "arm64"]),
        ("node.platform.arch==aarch64", ["arm64"]),
        ("node.platform.arch != x86_64", ["arm64", "armhf"]),
        ("node.labels.piswarm.model == Raspberry Pi 4", ["amd64", "arm64", "armhf"]),
        ("node.hostname==armhf", ["amd64", "arm64", "armhf"]),
    ],
)
def test_constraints_that_name_an_architecture_leave_the_others_out(constraint, left):
    assert wanted(["amd64", "arm64", "armhf"], [constraint]) == left


def test_constraints_that_leave_none_are_refused():
    with pytest.raises(SpecError) as caught:
        wanted(["arm64", "armhf"], ["node.labels.piswarm.arch==amd64"])
    assert "leave no architecture" in caught.value.message
    assert "built for arm64 and armhf" in caught.value.hint


def test_an_image_of_one_kind_is_kept_off_the_others():
    mixed = cluster(("a", "arm64", 8), ("b", "armhf", 1))
    assert pin(["arm64"], mixed) == ["node.labels.piswarm.arch==arm64"]
    assert pin(["arm64", "armhf"], mixed) == []
    assert pin(["arm64"], cluster(("a", "arm64", 8))) == []


def test_after_a_push_only_the_managers_kind_is_built():
    mixed = cluster(("a", "arm64", 8), ("b", "armhf", 1))
    check_built_by_one(["arm64"], mixed)
    with pytest.raises(SpecError) as refused:
        check_built_by_one(["arm64", "armhf"], mixed)
    assert "It is built for armhf, too" in refused.value.message
    assert "node.labels.piswarm.arch == arm64" in refused.value.hint
