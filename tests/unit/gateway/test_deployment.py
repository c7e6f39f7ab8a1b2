import json

import pytest

from piswarm.gateway.deployment import parse_deployment, parse_document, parse_replicas
from piswarm.gateway.faults import BadRequest
from piswarm.gateway.function import FunctionSpec, Resources

GOOD = {"service": "echo", "image": "registry.piswarm.internal:5000/echo@sha256:0"}


def test_a_full_deployment_is_read():
    spec = parse_deployment(
        {
            **GOOD,
            "envProcess": "cat",
            "envVars": {"a": "b"},
            "constraints": ["node.role==worker"],
            "secrets": ["s1"],
            "labels": {"l": "1", "com.openfaas.function": "other", "function": "true"},
            "annotations": {"topic": "x"},
            "limits": {"memory": "64m", "cpu": "100m"},
            "requests": {"memory": "32m"},
            "readOnlyRootFilesystem": True,
            "namespace": "openfaas-fn",
            "network": "func_functions",
        }
    )
    assert spec == FunctionSpec(
        name="echo",
        image=GOOD["image"],
        process="cat",
        environment={"a": "b"},
        constraints=("node.role==worker",),
        secrets=("s1",),
        labels={"l": "1"},
        annotations={"topic": "x"},
        limits=Resources(64 * 2**20, 10**8),
        requests=Resources(32 * 2**20),
        read_only=True,
    )


def test_null_means_absent():
    assert parse_deployment({**GOOD, "labels": None, "envVars": None, "limits": None, "secrets": None}) == (
        parse_deployment(GOOD)
    )


def test_the_namespace_of_newer_clients_is_taken_off():
    assert parse_deployment({**GOOD, "service": "echo.openfaas-fn"}).name == "echo"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service": ""}, "service ''"),
        ({"service": "Echo"}, "lower-case"),
        ({"service": "a_b"}, "lower-case"),
        ({"service": "-a"}, "lower-case"),
        ({"service": "a" * 64}, "1 to 63"),
        ({"service": 5}, "service is not text"),
        ({"image": ""}, "image reference"),
        ({"image": "a b"}, "image reference"),
        ({"envVars": ["a"]}, "envVars"),
        ({"envVars": {"a=b": "c"}}, "impossible name"),
        ({"labels": {"a": 1}}, "labels"),
        ({"labels": {"com.openfaas.scale.min": "two"}}, "scale.min"),
        ({"labels": {"com.piswarm.timeout": "soon"}}, "com.piswarm.timeout"),
        ({"labels": {"com.piswarm.timeout": "25h"}}, "24h at most"),
        ({"labels": {"com.piswarm.max-inflight": "0"}}, "max-inflight"),
        ({"constraints": "node.role==worker"}, "constraints"),
        ({"constraints": ["rolle"]}, "'rolle'"),
        ({"limits": {"memory": "lots"}}, "limits.memory"),
        ({"limits": {"memory": "1m"}}, "too little"),
        ({"limits": {"cpu": "1 apple"}}, "limits.cpu"),
        ({"requests": {"cpu": "0"}}, "too little"),
        ({"readOnlyRootFilesystem": "yes"}, "readOnlyRootFilesystem"),
        ({"registryAuth": "dXNlcjpwYXNz"}, "registryAuth"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(change, message):
    with pytest.raises(BadRequest, match=message):
        parse_deployment({**GOOD, **change})


def test_all_faults_are_told_at_once():
    with pytest.raises(BadRequest) as refusal:
        parse_deployment({"service": "No", "limits": {"cpu": "x"}})
    assert all(word in str(refusal.value) for word in ("service 'No'", "image ''", "limits.cpu"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(BadRequest, match="JSON"):
        parse_document(body)


@pytest.mark.parametrize("replicas", [None, -1, 1001, "2", 1.5, True])
def test_impossible_numbers_of_replicas_are_refused(replicas):
    with pytest.raises(BadRequest, match="replicas"):
        parse_replicas(json.loads(json.dumps({"replicas": replicas})))
