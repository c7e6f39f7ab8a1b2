import json
import os
import threading
from pathlib import Path

import pytest
import yaml

from piswarm.cluster.inventory import (
    Cluster,
    NodeRecord,
    current_cluster,
    load_cluster,
    read_inventory,
    save_cluster,
    write_file,
)
from piswarm.errors import ConfigError
from piswarm.settings import Settings

NODES = (
    NodeRecord("pi1", "192.168.1.11", "manager", "arm64", "Raspberry Pi 4 Model B Rev 1.4", 3793),
    NodeRecord("pi2", "192.168.1.12", "worker", "armhf", "Raspberry Pi 2 Model B Rev 1.1", 919),
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / "home", cache=tmp_path / "cache")


def cluster(settings: Settings, name: str = "home") -> Cluster:
    return Cluster(name, settings.cluster_dir(name), "pi", NODES, "armhf")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_cluster_is_read_as_it_was_written(settings):
    written = cluster(settings)
    assert save_cluster(settings, written)
    assert load_cluster(settings) == written
    assert load_cluster(settings, "home") == written


def test_writing_the_same_again_changes_nothing(settings):
    save_cluster(settings, cluster(settings))
    assert not save_cluster(settings, cluster(settings))


def test_the_record_is_an_inventory_of_ansible_with_pinned_host_keys(settings):
    save_cluster(settings, cluster(settings))
    document = yaml.safe_load((settings.cluster_dir("home") / "inventory.yml").read_text())
    assert list(document["all"]["children"]["managers"]["hosts"]) == ["pi1"]
    assert list(document["all"]["children"]["workers"]["hosts"]) == ["pi2"]
    assert document["all"]["hosts"]["pi2"]["ansible_host"] == "192.168.1.12"
    assert "StrictHostKeyChecking=yes" in document["all"]["vars"]["ansible_ssh_common_args"]


def test_what_others_need_to_know_of_a_cluster(settings):
    one = cluster(settings)
    assert one.manager.name == "pi1"
    assert one.gateway_url == "http://192.168.1.11:8080"
    assert one.platform == "linux/arm/v7"
    assert one.node("pi2").role == "worker"
    with pytest.raises(ConfigError, match="no node 'pi9'") as caught:
        one.node("pi9")
    assert "pi1, pi2" in caught.value.hint


def test_a_record_without_a_manager_is_told(settings):
    headless = Cluster("home", settings.cluster_dir("home"), "pi", NODES[1:])
    with pytest.raises(ConfigError, match="names no manager"):
        _ = headless.manager


def test_without_any_cluster_the_hint_is_init(settings):
    with pytest.raises(ConfigError, match="no cluster yet") as caught:
        load_cluster(settings)
    assert "piswarm init" in caught.value.hint


def test_an_unknown_cluster_is_told_with_those_that_are_known(settings):
    save_cluster(settings, cluster(settings))
    with pytest.raises(ConfigError, match="no cluster 'attic'") as caught:
        load_cluster(settings, "attic")
    assert "home" in caught.value.hint


def test_the_cluster_used_last_is_the_current_one(settings):
    save_cluster(settings, cluster(settings, "attic"))
    save_cluster(settings, cluster(settings, "home"))
    assert current_cluster(settings) == "home"
    settings.current_file.unlink()
    assert current_cluster(settings) == ""


def test_the_only_cluster_is_the_current_one_and_the_environment_wins(settings, tmp_path):
    save_cluster(settings, cluster(settings, "attic"))
    settings.current_file.write_text("gone\n")
    assert current_cluster(settings) == "attic"
    chosen = Settings(settings.home, settings.cache, chosen_cluster="attic")
    assert load_cluster(chosen).name == "attic"


@pytest.mark.parametrize(
    "content",
    ["", "just text", "[]", "all: {hosts: {pi1: {}}, vars: {}}", "all: [broken", "\x00", "all: {hosts: 5}"],
)
def test_a_file_that_is_no_inventory_is_told_with_its_path(settings, content):
    folder = settings.cluster_dir("home")
    folder.mkdir(parents=True)
    (folder / "inventory.yml").write_text(content)
    with pytest.raises(ConfigError, match="not an inventory") as caught:
        read_inventory("home", folder)
    assert str(folder / "inventory.yml") in caught.value.message


def test_credentials_come_from_their_own_file_and_stay_masked(settings):
    one = cluster(settings)
    stored = {"gateway": {"user": "admin", "password": "gate"}, "registry": {"user": "r", "password": "reg"}}
    write_file(one.directory / "credentials.json", json.dumps(stored), 0o600)
    user, password = one.gateway_credentials
    assert (user, password.reveal(), str(password)) == ("admin", "gate", "********")
    assert one.registry_credentials[1].reveal() == "reg"


@pytest.mark.parametrize("content", [None, "{", "{}", '{"gateway": {"user": "admin"}}'])
def test_credentials_that_cannot_be_read_are_told(settings, content):
    one = cluster(settings)
    if content is not None:
        write_file(one.directory / "credentials.json", content, 0o600)
    with pytest.raises(ConfigError, match="credentials of cluster 'home'"):
        _ = one.gateway_credentials


def test_the_inventory_holds_no_secret_and_the_folder_is_its_owners(settings):
    one = cluster(settings)
    save_cluster(settings, one)
    assert mode(one.directory) == 0o700
    assert "password" not in (one.directory / "inventory.yml").read_text()


def test_a_file_is_written_with_its_mode_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_file(tmp_path / "secret", "x", 0o600)
    finally:
        os.umask(before)
    assert mode(tmp_path / "secret") == 0o600


def test_a_secret_that_others_could_read_is_closed_again(tmp_path):
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(0o644)
    assert not write_file(path, "x", 0o600)
    assert mode(path) == 0o600


def test_who_reads_while_it_is_written_sees_the_old_or_the_new_file_whole(tmp_path):
    path, contents = tmp_path / "file", ["a" * 300_000, "b" * 300_000]
    write_file(path, contents[0])
    seen = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        write_file(path, contents[number % 2])
    done.set()
    reader.join()
    assert seen <= set(contents)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_file(tmp_path / "taken", "new")
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]
