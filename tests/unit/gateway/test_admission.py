import pytest
from support.fake_swarm import node

from piswarm.gateway.admission import must_be_able_to_run, unfit_architectures
from piswarm.gateway.faults import BadRequest
from piswarm.gateway.function import FunctionSpec, Resources
from piswarm.gateway.image import Image, read_image
from piswarm.gateway.node import read_node

NODES = [node("pi3", "armhf"), node("pi5", "arm64", memory_bytes=8 * 2**30)]


def image(*archs):
    return Image("sha256:0", frozenset(archs))


@pytest.mark.parametrize("archs", [("arm64",), ("armhf", "amd64"), ()])
def test_one_fitting_node_is_enough(archs):
    must_be_able_to_run(FunctionSpec("echo", "i"), image(*archs), NODES)


@pytest.mark.parametrize("nodes", [[], NODES])
def test_what_is_not_known_is_no_reason(nodes):
    must_be_able_to_run(FunctionSpec("echo", "i"), None, nodes)


def test_every_reason_is_told():
    spec = FunctionSpec("echo", "i", limits=Resources(nano_cpus=8 * 10**9), requests=Resources(16 * 2**30))
    with pytest.raises(BadRequest) as refusal:
        must_be_able_to_run(spec, image("amd64"), NODES)
    assert str(refusal.value) == (
        "Deployment error: the image is for amd64, the nodes are arm64, armhf; "
        "limits.cpu is 8, the largest node has 4 CPUs; requests.memory is 16Gi, the largest node has 8Gi."
    )


@pytest.mark.parametrize(
    ("archs", "unfit"), [(("arm64",), ("armhf", "amd64")), (("armhf", "arm64", "amd64"), ()), ((), ())]
)
def test_nodes_that_cannot_run_the_image_are_avoided(archs, unfit):
    assert unfit_architectures(image(*archs)) == unfit


def test_a_manifest_list_is_read_without_its_attestations():
    document = {
        "Descriptor": {"digest": "sha256:abc"},
        "Platforms": [
            {"architecture": "arm", "os": "linux", "variant": "v7"},
            {"architecture": "amd64", "os": "linux"},
            {"architecture": "unknown", "os": "unknown"},
        ],
    }
    read = read_image(document)
    assert read == Image("sha256:abc", frozenset({"armhf", "amd64"}))
    assert read.pin("r/i:1") == "r/i:1@sha256:abc"
    assert read.pin("r/i@sha256:def") == "r/i@sha256:def"


def node_document(kernel, labels):
    return {
        "ID": "n1",
        "Spec": {"Role": "manager", "Availability": "active", "Labels": labels},
        "Description": {
            "Hostname": "pi",
            "Platform": {"Architecture": kernel},
            "Resources": {"MemoryBytes": 2**30, "NanoCPUs": 4 * 10**9},
        },
        "Status": {"State": "ready"},
        "ManagerStatus": {"Leader": True},
    }


@pytest.mark.parametrize(
    ("kernel", "labels", "arch"),
    [
        ("x86_64", {}, "amd64"),
        ("aarch64", {}, "arm64"),
        ("armv7l", {}, "armhf"),
        ("aarch64", {"piswarm.arch": "armhf"}, "armhf"),
        ("riscv64", {}, "riscv64"),
    ],
)
def test_a_nodes_label_is_believed_before_its_kernel(kernel, labels, arch):
    read = read_node(node_document(kernel, labels))
    assert (read.arch, read.leader, read.takes_replicas) == (arch, True, True)
