"""What a push gives, as the engines say it."""

import pytest
from support.recorded_node import RecordedNode

from piswarm.cluster.shell import Result
from piswarm.errors import BuildError
from piswarm.functions.build import push

REFERENCE = "registry.test:5000/functions/hello:0123456789ab"
DIGEST = f"sha256:{'a' * 64}"


def test_the_digest_is_read_from_what_docker_prints():
    node = RecordedNode(Result(f"layer: Pushed\n0123456789ab: digest: {DIGEST} size: 1364\n", "", 0))
    assert push(node, REFERENCE) == DIGEST


def test_the_digest_is_asked_for_where_docker_prints_none():
    others = f"registry.test:5000/functions/other@sha256:{'b' * 64}"
    node = RecordedNode(
        Result("layer: Pushed\n", "", 0),
        Result(f"{others}\nregistry.test:5000/functions/hello@{DIGEST}\n", "", 0),
    )
    assert push(node, REFERENCE) == DIGEST
    assert node.commands[1].endswith(REFERENCE)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            [Result("", "Get https://x: connection refused\n", 1)],
            "could not be given to the registry: Get https",
        ),
        ([Result("", "", 0), Result("\n", "", 0)], "was pushed, but the engine knows no digest of it"),
    ],
)
def test_a_push_that_fails_says_why(answers, message):
    with pytest.raises(BuildError) as caught:
        push(RecordedNode(*answers), REFERENCE)
    assert message in caught.value.message
