from pathlib import Path

import pytest

from piswarm.errors import ConfigError
from piswarm.secret import Secret
from piswarm.settings import PLAYBOOKS, STACKS, Settings


def test_without_anything_set_the_users_own_folders_are_used():
    settings = Settings.from_environment({"HOME": "/home/me"})
    assert settings.home == Path("/home/me/.config/piswarm")
    assert settings.cache == Path("/home/me/.cache/piswarm")
    assert (settings.chosen_cluster, settings.password, settings.sudo_password) == ("", None, None)


def test_the_desktops_folders_are_respected():
    settings = Settings.from_environment(
        {"HOME": "/home/me", "XDG_CONFIG_HOME": "/c", "XDG_CACHE_HOME": "/k"}
    )
    assert (settings.home, settings.cache) == (Path("/c/piswarm"), Path("/k/piswarm"))


def test_our_own_variables_win():
    settings = Settings.from_environment(
        {
            "HOME": "/home/me",
            "XDG_CONFIG_HOME": "/c",
            "PISWARM_HOME": "/h",
            "PISWARM_CACHE": "/p",
            "PISWARM_CLUSTER": "attic",
            "PISWARM_PASSWORD": "raspberry",
            "PISWARM_SUDO_PASSWORD": "strawberry",
        }
    )
    assert (settings.home, settings.cache, settings.chosen_cluster) == (Path("/h"), Path("/p"), "attic")
    assert (settings.password, settings.sudo_password) == (Secret("raspberry"), Secret("strawberry"))
    assert "berry" not in repr(settings)


def test_an_empty_password_is_none():
    assert Settings.from_environment({"HOME": "/home/me", "PISWARM_PASSWORD": ""}).password is None


@pytest.mark.parametrize("name", ["home", "a", "lab-2", "0", "x" * 32])
def test_names_of_clusters(name):
    assert Settings(Path("/h"), Path("/c")).cluster_dir(name) == Path("/h/clusters") / name


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "a-", "Home", "x" * 33, "a b", "a\n"])
def test_what_cannot_be_the_name_of_a_cluster(name):
    with pytest.raises(ConfigError, match="cannot be the name of a cluster"):
        Settings(Path("/h"), Path("/c")).cluster_dir(name)


def test_clusters_are_known_by_their_record(tmp_path):
    settings = Settings(tmp_path, tmp_path)
    assert settings.known_clusters() == []
    for name in ("home", "attic"):
        settings.cluster_dir(name).mkdir(parents=True)
        (settings.cluster_dir(name) / "inventory.yml").touch()
    settings.cluster_dir("unfinished").mkdir()
    assert settings.known_clusters() == ["attic", "home"]


def test_what_we_ship_is_found():
    assert (PLAYBOOKS / "machines.yml").is_file()
    assert (STACKS / "gateway.yml").is_file()
