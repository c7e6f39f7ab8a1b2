"""What `init` remembers of the last time, and what it refuses to be told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from piswarm.cluster.images import DEFAULT_BASE
from piswarm.cluster.observe import parse_choice
from piswarm.cluster.site import InitOptions, open_site
from piswarm.console import Console
from piswarm.errors import UsageError
from piswarm.secret import Secret
from piswarm.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", cache=tmp_path / "cache")


def test_what_was_not_said_is_as_usual_on_a_new_cluster(settings: Settings):
    options = InitOptions("home").completed(settings)
    assert (options.user, options.docker_source, options.base_image) == ("pi", "docker", DEFAULT_BASE)


def test_what_was_not_said_is_as_the_last_time(settings: Settings):
    first = InitOptions(
        "home", user="maker", docker_source="distro", ca_bundle=Path("/etc/ca.pem"), managers=1
    )
    first = replace(
        first, interfaces=("eth0",), password=Secret("hush"), gateway_image="example.org/gateway:1"
    )
    first.completed(settings).record(settings.cluster_dir("home"))
    second = InitOptions("home", user="other").completed(settings)
    assert second.user == "other"
    assert (second.docker_source, second.ca_bundle, second.managers) == ("distro", Path("/etc/ca.pem"), 1)
    assert second.interfaces == ("eth0",)
    assert (second.gateway_image, second.registry_image) == ("example.org/gateway:1", "")
    assert second.password is None
    assert "hush" not in (settings.cluster_dir("home") / "options.json").read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_arch": "x86"},
        {"docker_source": "snap"},
        {"managers": -1},
        {"ca_bundle": Path("/no/such/file")},
    ],
)
def test_what_cannot_be_meant_is_refused(settings: Settings, wrong: dict):
    with pytest.raises(UsageError):
        replace(InitOptions("home").completed(settings), **wrong).check()


def test_a_dry_run_leaves_no_folder_behind(settings: Settings):
    with open_site(InitOptions("home", dry_run=True), settings, Console(quiet=True)) as site:
        assert site.directory.exists()
    assert not site.directory.exists()
    assert not settings.home.exists()


def test_a_cluster_that_was_never_begun_leaves_no_folder_behind(settings: Settings):
    with pytest.raises(UsageError), open_site(InitOptions("home"), settings, Console(quiet=True)) as site:
        assert site.directory.exists()
        raise UsageError("nobody to ask")
    assert not settings.cluster_dir("home").exists()


def test_the_key_is_offered_only_when_a_node_can_know_it(settings: Settings):
    with open_site(InitOptions("home"), settings, Console(quiet=True)) as first:
        assert first.login.key_file is None
        first.options.record(first.directory)
    with open_site(InitOptions("home"), settings, Console(quiet=True)) as second:
        assert second.login.key_file == settings.cluster_dir("home") / "id_ed25519"
        assert second.public_key == first.public_key


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [("1", [0]), ("1,3", [0, 2]), ("2-4", [1, 2, 3]), ("1 2", [0, 1]), ("3,1-3", [2, 0, 1])],
)
def test_a_choice_names_nodes_by_number(answer: str, chosen: list[int]):
    assert parse_choice(answer, 4) == chosen


@pytest.mark.parametrize("answer", ["0", "5", "3-1", "a", "-2", "1..3"])
def test_a_choice_of_something_else_is_refused(answer: str):
    with pytest.raises(UsageError, match="numbers 1 to 4"):
        parse_choice(answer, 4)
