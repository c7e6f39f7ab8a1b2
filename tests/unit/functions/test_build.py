"""How a build is asked for, and what is made of its output."""

import shlex

import pytest

from piswarm.functions.build import BuildRequest, build_command, explain, image_name, readable
from piswarm.functions.templates import load_templates

SHA = "0123456789abcdef0123456789abcdef01234567"


def request(**fields):
    known = {
        "repository": "/g/functest.git",
        "commit": SHA,
        "version": "fingerprint",
        "folder": ".",
        "base": "r/b:1",
    }
    return BuildRequest(**{"function": "functest", "platform": "linux/arm/v7", **known, **fields})


def test_every_language_starts_from_the_clusters_image_and_leaves_root():
    templates = {template.name: template for template in load_templates().values()}
    assert {"python3", "shell", "dockerfile", "node"} <= templates.keys()
    for template in templates.values():
        assert template.handler in template.skeleton()
        lines = (template.dockerfile or template.skeleton()["Dockerfile"]).splitlines()
        assert "ARG BASE" in lines and "FROM ${BASE}" in lines
        assert [line for line in lines if line.startswith("USER ")][-1:] in ([], ["USER app"])
        assert not template.dockerfile or "ENV PISWARM_VERSION=${PISWARM_VERSION}" in lines


def test_the_names_of_the_old_world_mean_python3():
    templates = load_templates()
    for name in ("python", "python-armhf", "python3-armhf", "python3-http"):
        assert templates[name].name == "python3"


def test_nothing_of_the_users_is_read_by_the_shell():
    asked = request(dockerfile="FROM x", build_args={"ARG": "$(reboot); 'x' \"y\""})
    command = build_command(asked, "/b/functest.1", "registry/functions/functest:1")
    words = shlex.split(command)
    assert "PISWARM_VERSION=fingerprint" in words
    assert "ARG=$(reboot); 'x' \"y\"" in words
    assert "BASE=r/b:1" in words
    assert words[words.index("--file") + 1] == "/b/functest.1/Dockerfile"
    assert words[words.index("--cgroup-parent") + 1] == "piswarm.slice"
    assert words[-2:] == ["/b/functest.1/source", "2>&1"]


def test_each_build_names_its_image_anew():
    names = {image_name(request(), f"/b/functest.{random}") for random in ("AbCd0123", "EfGh4567")}
    assert names == {
        f"registry.piswarm.internal:5000/functions/functest:{SHA[:12]}-{random}"
        for random in ("AbCd0123", "EfGh4567")
    }


def test_a_dockerfile_of_the_users_is_taken_from_the_source():
    words = shlex.split(build_command(request(), "/b/f.1", "r:1"))
    assert words[words.index("--file") + 1] == "/b/f.1/source/Dockerfile"


def test_a_build_without_cache_is_asked_for():
    assert "--no-cache" in build_command(request(is_cached=False), "/b", "r")
    assert "--no-cache" not in build_command(request(), "/b", "r")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("#8 0.350 Collecting requests<3,>=2.32", "Collecting requests<3,>=2.32"),
        ("#9 [stage-0 5/6] COPY . /home/app/function", "step 5/6: COPY . /home/app/function"),
        ("#4 [1/1] FROM registry/base:1", "step 1/1: FROM registry/base:1"),
        ("#6 [stage-0 2/6] RUN if a;     then b", "step 2/6: RUN if a; then b"),
        ("#2 [internal] load build context", ""),
        ("#9 sha256:06da92492abac3a7583bb598821c86bb828f66c599afaf72019edcb56e65f9d2", ""),
        ("#9 DONE 0.0s", ""),
        ("#5 CACHED", ""),
        ("#11 exporting layers 0.0s done", ""),
        ("", ""),
    ],
)
def test_what_a_line_of_the_build_tells(line, told):
    assert readable(line) == told


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "#8 0.9 ERROR: Could not find a version that satisfies the requirement reqests (from versions: none)\n"
            "#8 0.9 ERROR: No matching distribution found for reqests\n"
            'ERROR: failed to solve: process "/bin/sh -c ..." did not complete successfully: exit code: 1',
            "the package index has no reqests for this Python and processor",
        ),
        (
            "#10 0.1 SyntaxError: '(' was never closed\nERROR: exit code: 1",
            "handler.py is no Python: SyntaxError: '(' was never closed",
        ),
        (
            "#10 0.1 Sorry: IndentationError: unexpected indent (handler.py, line 2)",
            "handler.py is no Python: IndentationError: unexpected indent (handler.py, line 2)",
        ),
        (
            "#8 9.1   ERROR: Failed building wheel for psutil\n#8 9.2 error: failed-wheel-build\nERROR: x",
            "the package index has no ready-made psutil for this processor, and compiling it failed",
        ),
        ("write /var/lib/docker/x: no space left on device", "the disk of the node is full"),
        (
            'ERROR: process "/bin/sh -c pip" did not complete successfully: exit code: 137',
            "the build ran out of memory",
        ),
        (
            "#8 9.0 c++: fatal error: Killed signal terminated program cc1plus\n"
            "#8 9.1   ERROR: Failed building wheel for numpy",
            "the build ran out of memory",
        ),
        (
            "#8 6.144 E: Unable to locate package libnope\nERROR: exit code: 100",
            "Debian has no package libnope for this processor",
        ),
        ("#8 9.0 we killed the dragon\nERROR: something new.", "something new"),
        ("", "it said nothing"),
    ],
)
def test_why_a_build_failed(output, reason):
    assert explain(output.splitlines()) == reason
