"""On the stack file that is deployed."""

import base64
import dataclasses
import json

import pytest
import yaml

from piswarm.cluster.images import Base
from piswarm.cluster.stack import STACK_FILE, _secret_name, docker_config, make_release, only_service
from piswarm.cluster.trust import KeyPair

CREDENTIALS = {
    "gateway": {"user": "admin", "password": "gate"},
    "registry": {"user": "piswarm", "password": "reg", "htpasswd": "piswarm:$2a$08$x\n"},
}
BASE = Base(None, "debian:trixie-slim", "0123456789ab")
PAIR = KeyPair(b"certificate", b"key")


def release(base=BASE, platform="linux/arm64", credentials=CREDENTIALS, pair=PAIR, prebuilt=None):
    return make_release(base, platform, credentials, pair, prebuilt)


def test_the_registry_alone_takes_only_its_own_secrets_along():
    whole = yaml.safe_load(STACK_FILE.read_text())
    alone = yaml.safe_load(only_service(STACK_FILE.read_text(), "registry"))
    assert list(alone["services"]) == ["registry"]
    assert alone["services"]["registry"] == whole["services"]["registry"]
    assert set(alone["secrets"]) == {"registry-cert", "registry-key", "registry-htpasswd"}
    assert alone["volumes"] == whole["volumes"]


def test_each_secret_of_a_service_is_declared_and_given_by_the_release():
    document = yaml.safe_load(STACK_FILE.read_text())
    used = {
        secret["source"] for service in document["services"].values() for secret in service.get("secrets", [])
    }
    assert used == set(document["secrets"])
    names = {name.upper().replace("-", "_") for name in document["secrets"]}
    assert names == set(release().secrets)


def test_each_content_of_a_secret_has_a_name_of_its_own():
    one, other = _secret_name("REGISTRY_KEY", b"one"), _secret_name("REGISTRY_KEY", b"other")
    assert one.startswith("piswarm_registry-key_")
    assert one != other
    assert len(one) <= 64  # Swarm allows no more
    assert _secret_name("REGISTRY_KEY", b"one") == one


def test_the_same_wish_is_the_same_release():
    assert release().digest == release().digest


@pytest.mark.parametrize(
    "change",
    [
        {"base": dataclasses.replace(BASE, digest="ba9876543210")},
        {"platform": "linux/arm/v7"},
        {"prebuilt": {"gateway": "example.org/gateway:1"}},
        {"pair": KeyPair(b"certificate", b"other key")},
        {"credentials": CREDENTIALS | {"gateway": {"user": "admin", "password": "changed"}}},
    ],
)
def test_whatever_changes_what_runs_changes_the_release(change):
    assert release(**change).digest != release().digest


def test_docker_finds_the_registrys_password_in_its_configuration():
    entry = json.loads(docker_config(CREDENTIALS))["auths"]["registry.piswarm.internal:5000"]
    assert base64.b64decode(entry["auth"]) == b"piswarm:reg"
