import json

import pytest
from docker.errors import APIError
from requests import Response

from piswarm.cluster.inventory import STATE_DIR
from piswarm.gateway.delivery import Delivery
from piswarm.gateway.deployer_job import Deployer, has_ended, job_name, job_spec
from piswarm.gateway.faults import Unavailable
from piswarm.gateway.swarm.deployer import EngineDeployer
from tests.unit.functions.test_history import Configs

DELIVERY = Delivery("hello", "c" * 40, 'Say "more"; $(reboot)', "Ada", "ada")
DEPLOYER = Deployer("registry/deployer@sha256:1", "1000")


def secret(name):
    return {
        "SecretID": f"id-{name}",
        "SecretName": f"piswarm_{name}",
        "File": {"Name": name, "UID": "610", "Mode": 256},
    }


MOUNTED = [secret(name) for name in ("basic-auth-user", "basic-auth-password", "registry-config.json")]
SPEC = job_spec(DEPLOYER, DELIVERY, MOUNTED)
CONTAINER = SPEC["TaskTemplate"]["ContainerSpec"]


def test_a_job_runs_once_where_images_are_built():
    assert SPEC["Mode"] == {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}
    assert SPEC["TaskTemplate"]["Placement"] == {"Constraints": ["node.labels.piswarm.registry == true"]}
    assert SPEC["TaskTemplate"]["Resources"]["Limits"]["MemoryBytes"] == 256 * 2**20


def test_a_job_has_the_nodes_state_and_engine_and_only_reads_its_certificates():
    mounts = {mount["Source"]: mount["ReadOnly"] for mount in CONTAINER["Mounts"]}
    assert mounts == {
        "/var/run/docker.sock": False,
        STATE_DIR: False,
        "/etc/ssl/certs": True,
        "/etc/docker/certs.d": True,
    }


def test_a_job_gets_the_apis_user_and_password_as_files_of_its_user_and_nothing_secret_elsewhere():
    assert [mount["SecretID"] for mount in CONTAINER["Secrets"]] == [
        "id-basic-auth-user",
        "id-basic-auth-password",
    ]
    assert {(mount["File"]["UID"], mount["File"]["Mode"]) for mount in CONTAINER["Secrets"]} == {
        ("1000", 0o400)
    }
    assert len(CONTAINER["Env"]) == 1


def test_what_was_pushed_arrives_as_it_was_told():
    name, _, text = CONTAINER["Env"][0].partition("=")
    assert (name, Delivery.from_text(text)) == ("PISWARM_DELIVERY", DELIVERY)


def test_the_name_is_that_of_the_commit_and_fits():
    longest = Delivery("f" * 63, "c" * 64, "", "", "")
    assert len(job_name(longest)) <= 63
    assert job_name(DELIVERY) == job_name(Delivery("hello", "c" * 40, "", "", "bea"))
    assert (
        len({job_name(DELIVERY), job_name(longest), job_name(Delivery("hello", "d" * 40, "", "", ""))}) == 3
    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], False),
        (["pending"], False),
        (["running"], False),
        (["complete"], True),
        (["failed", "ready"], False),
        (["failed", "rejected"], True),
    ],
)
def test_when_a_job_has_ended(states, expected):
    assert has_ended([{"Status": {"State": state}} for state in states]) is expected


class Engine(Configs):
    """The part of the engine that keeps configs and runs jobs; every name is taken once."""

    def __init__(self):
        super().__init__()
        self.jobs, self.states = {}, {}

    def configs(self, filters):
        (label,) = filters["label"]
        return [
            {"ID": name, "CreatedAt": name, "Spec": {"Data": data}}
            for name, (data, labels) in self.kept.items()
            if label in labels
        ]

    def inspect_service(self, name):
        assert name == "piswarm_gateway"
        return {"Spec": {"TaskTemplate": {"ContainerSpec": {"Secrets": MOUNTED}}}}

    def services(self, filters):
        assert filters == {"label": "piswarm.deploys"}
        return [{"ID": name} for name in self.jobs]

    def tasks(self, filters):
        return [{"Status": {"State": self.states.get(filters["service"], "running")}}]

    def create_service(self, template, name, labels, mode):
        if name in self.jobs:
            response = Response()
            response.status_code = 409
            raise APIError("conflict", response=response)
        self.jobs[name] = template

    def remove_service(self, name):
        del self.jobs[name]


@pytest.fixture
def engine():
    engine = Engine()
    for name, image in (("2", "new"), ("1", "old")):
        data = json.dumps({"image": image, "user": "1000"}).encode()
        engine.create_config(name, data, {"piswarm.deployer": "image"})
    return engine


def deployer_of(engine):
    return EngineDeployer(type("Client", (), {"api": engine}))


def test_a_push_starts_the_newest_deployer(engine):
    assert deployer_of(engine).start(DELIVERY) is True
    (template,) = engine.jobs.values()
    assert template["ContainerSpec"]["Image"] == "new"


def test_the_same_commit_is_deployed_once_at_a_time(engine):
    deployer = deployer_of(engine)
    assert [deployer.start(DELIVERY), deployer.start(DELIVERY)] == [True, False]
    engine.states[job_name(DELIVERY)] = "complete"
    assert deployer.start(DELIVERY) is True


def test_jobs_that_have_ended_go_with_the_next_push(engine):
    deployer = deployer_of(engine)
    others = [Delivery("hello", letter * 40, "", "", "") for letter in "ab"]
    for delivery in others:
        deployer.start(delivery)
    engine.states[job_name(others[0])] = "failed"
    deployer.start(DELIVERY)
    assert set(engine.jobs) == {job_name(others[1]), job_name(DELIVERY)}


def test_a_cluster_without_a_deployer_says_what_makes_it():
    with pytest.raises(Unavailable, match="'piswarm hook' makes it"):
        deployer_of(Engine()).start(DELIVERY)
