import pytest

from piswarm.lab.mirror import Mirror, find_mirror, read_mirror

DEB822 = """\
Types: deb
# URIs: http://old.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main contrib
deb http://mirror.example/debian-security bookworm-security main
"""
OTHERS = "deb https://packages.example/cloud-sdk main\n"


@pytest.mark.parametrize("text", [DEB822, ONE_LINE])
def test_the_machines_own_mirror_is_found_in_both_forms(text):
    assert find_mirror([OTHERS, text]) == Mirror(
        "http://mirror.example/debian", "http://mirror.example/debian-security"
    )


def test_without_a_debian_archive_there_is_no_mirror():
    assert find_mirror([OTHERS, "deb http://mirror.example/ubuntu noble main\n"]) is None


def test_the_sources_are_of_the_labs_release_whatever_the_machine_runs():
    assert Mirror("http://m/debian", "http://m/debian-security").sources() == [
        "deb http://m/debian trixie main",
        "deb http://m/debian trixie-updates main",
        "deb http://m/debian-security trixie-security main",
    ]


def test_a_mirror_without_security_archive_is_used_without_one():
    assert not any("security" in line for line in Mirror("http://m/debian").sources())


def test_the_environment_comes_before_the_machines_sources(tmp_path):
    (tmp_path / "sources.list").write_text(ONE_LINE)
    assert read_mirror({"PISWARM_MIRROR": "http://mine/debian/"}, tmp_path) == Mirror("http://mine/debian")
    assert read_mirror({}, tmp_path) == find_mirror([ONE_LINE])
