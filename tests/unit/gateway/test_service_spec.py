from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from piswarm.gateway.function import FunctionSpec, Resources
from piswarm.gateway.service_spec import (
    is_function,
    read_function,
    read_spec,
    repoint_secret,
    secret_ids_in,
    service_spec,
)

words = st.text(st.characters(codec="utf-8", exclude_characters="=\0"), min_size=1, max_size=12)
amounts = st.builds(Resources, st.none() | st.integers(1, 2**40), st.none() | st.integers(1, 10**11))
plain_labels = words.filter(lambda key: not key.startswith("com.openfaas") and key != "function")
specs = st.builds(
    FunctionSpec,
    name=st.just("echo"),
    image=words,
    process=st.just("") | words,
    environment=st.dictionaries(words.filter(lambda name: name != "fprocess"), words),
    constraints=st.just(()) | st.just(("node.role==worker",)),
    secrets=st.just(()) | st.just(("one", "two")),
    labels=st.dictionaries(plain_labels, words),
    annotations=st.dictionaries(words, words),
    limits=amounts,
    requests=amounts,
    read_only=st.booleans(),
)
MOUNTED = {"one": ("id1", "one.1"), "two": ("id2", "two.1")}


@given(specs)
def test_a_function_survives_being_a_service(spec):
    assert read_spec(service_spec(spec, replicas=1, network="n", secrets=MOUNTED)) == spec


def test_the_service_is_what_the_design_asks_for():
    spec = FunctionSpec(name="echo", image="i", secrets=("one",), read_only=True)
    document = service_spec(spec, replicas=3, network="piswarm_functions", secrets=MOUNTED)
    container = document["TaskTemplate"]["ContainerSpec"]
    assert document["Mode"] == {"Replicated": {"Replicas": 3}}
    assert document["EndpointSpec"] == {"Mode": "dnsrr"}
    assert document["UpdateConfig"]["Order"] == "start-first"
    assert document["UpdateConfig"]["FailureAction"] == "rollback"
    assert document["TaskTemplate"]["Networks"] == [{"Target": "piswarm_functions"}]
    assert container["Labels"] == {"com.openfaas.function": "echo", "function": "true"}
    assert container["Secrets"][0]["File"]["Name"] == "/var/openfaas/secrets/one"
    assert container["Mounts"] == [{"Type": "tmpfs", "Target": "/tmp"}]


def test_a_listed_service_is_read_with_its_true_figures():
    document = service_spec(FunctionSpec(name="echo", image="i"), replicas=3, network="n", secrets={})
    function = read_function(
        {
            "Spec": document,
            "CreatedAt": "2026-11-20T12:00:00.123456789Z",
            "ServiceStatus": {"RunningTasks": 2, "DesiredTasks": 3},
        }
    )
    assert (function.replicas, function.available) == (3, 2)
    assert function.created_at == datetime(2026, 11, 20, 12, 0, 0, 123456, UTC)
    assert function.to_json()["createdAt"] == "2026-11-20T12:00:00Z"


def test_only_functions_are_functions():
    ours = {"Spec": service_spec(FunctionSpec(name="echo", image="i"), replicas=1, network="n", secrets={})}
    assert is_function(ours)
    assert not is_function({"Spec": {"Name": "piswarm_registry", "Mode": {"Replicated": {}}}})
    assert not is_function({"Spec": {**ours["Spec"], "Name": "another"}})


def test_an_update_keeps_the_number_of_replicas_within_bounds():
    spec = FunctionSpec(
        name="echo", image="i", labels={"com.openfaas.scale.min": "2", "com.openfaas.scale.max": "4"}
    )
    assert [spec.replicas_after_update(current) for current in (0, 1, 3, 9)] == [2, 2, 3, 4]


def test_a_secret_can_be_pointed_at_another_value():
    spec = FunctionSpec(name="echo", image="i", secrets=("one", "two"))
    document = service_spec(spec, replicas=1, network="n", secrets=MOUNTED)
    changed = repoint_secret(document, "one", "id9", "one.2")
    assert secret_ids_in(document) == {"id1", "id2"}
    assert secret_ids_in(changed) == {"id9", "id2"}
    assert read_spec(changed) == spec


def test_nodes_to_avoid_become_constraints_that_are_not_told_as_the_deployers():
    spec = FunctionSpec(name="echo", image="i", constraints=("node.role==worker",))
    document = service_spec(spec, replicas=1, network="n", secrets={}, avoid=("armhf",))
    assert document["TaskTemplate"]["Placement"]["Constraints"] == [
        "node.platform.os == linux",
        "node.labels.piswarm.arch != armhf",
        "node.role==worker",
    ]
    assert read_spec(document) == spec
