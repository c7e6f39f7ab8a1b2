from pathlib import Path

import pytest

from piswarm.cluster.connect import Connection, Login, quote
from piswarm.secret import Secret


def test_the_ssh_command_pins_host_keys_never_asks_and_uses_only_the_clusters_key():
    login = Login("pi", Path("/home/me/known hosts"), key_file=Path("/home/me/id_ed25519"))
    words = Connection("pi1", "192.168.1.11", login, port=2222).ssh_command()
    options = {words[i + 1] for i, word in enumerate(words) if word == "-o"}
    assert words[0] == "ssh"
    assert {
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "UserKnownHostsFile=/home/me/known hosts",
    } <= options
    assert words[words.index("-i") + 1] == "/home/me/id_ed25519"
    assert words[words.index("-p") + 1] == "2222"


def test_the_ssh_command_holds_no_password():
    login = Login("pi", Path("known_hosts"), password=Secret("raspberry"), sudo_password=Secret("strawberry"))
    words = Connection("pi1", "192.168.1.11", login).ssh_command()
    assert "-i" not in words
    assert not [word for word in words if "berry" in word]
    assert "berry" not in repr(login)


def test_what_comes_from_users_stays_one_word():
    assert quote("rm", "-f", "a b; reboot") == "rm -f 'a b; reboot'"
    assert quote("sleep", 3) == "sleep 3"


@pytest.mark.parametrize(("address", "host"), [("192.168.1.11", "192.168.1.11"), ("fd00::11", "[fd00::11]")])
def test_the_address_for_git_names_user_node_and_path(address, host):
    connection = Connection("pi1", address, Login("pi", Path("known_hosts")))
    assert connection.git_address("/var/lib/piswarm/git/hello.git") == (
        f"ssh://pi@{host}/var/lib/piswarm/git/hello.git"
    )
