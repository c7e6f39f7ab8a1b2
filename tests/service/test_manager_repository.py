"""The manager's repository of a function, with real git on both sides; the node's shell is this computer's."""

import os
import subprocess
from pathlib import Path

import pytest
from support.git_server import git_over_http

from piswarm.deployer.local import LocalShell
from piswarm.errors import BuildError, SpecError
from piswarm.functions.remote import ManagerRepository
from piswarm.functions.source import find_work_tree
from piswarm.functions.version import find_stack_file_in, read_version
from tests.service.ports import free_port

MEBIBYTE = 2**20


def git(folder, *arguments):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "served" / "project"
    (folder / "functions" / "hello").mkdir(parents=True)
    (folder / "functions" / "hello" / "handler.py").write_text("def handle(req): return req\n")
    (folder / "functions" / "common.yml").write_text("environment:\n  LEVEL: ${LEVEL:-info}\n  A: file\n")
    (folder / "functions" / "hello.yml").write_text(
        "functions:\n  hello:\n    lang: python3\n    handler: ./hello\n"
        "    environment: {A: inline, B: inline}\n    environment_file: [common.yml]\n"
    )
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "First")
    git(folder, "tag", "v1")
    return folder


@pytest.fixture
def repository(tmp_path):
    return ManagerRepository(LocalShell("pi1"), "hello", str(tmp_path / "state"))


@pytest.fixture
def server(project):
    """A git server over HTTP."""
    with git_over_http("127.0.0.1", project.parent) as url:
        yield f"{url}/project"


def test_a_pushed_commit_can_be_unpacked_there(project, repository):
    repository.prepare()
    repository.prepare()
    work_tree = find_work_tree(project)
    work_tree.push(work_tree.head().commit, repository.address, repository.shell.ssh_command())
    names = git(repository.path, "ls-tree", "-r", "--name-only", work_tree.head().commit.sha)
    assert "functions/hello/handler.py" in names.splitlines()


def test_only_the_commit_is_sent_not_its_history(project, repository, server):
    (project / "film.mp4").write_bytes(os.urandom(MEBIBYTE))
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "A film")
    git(project, "rm", "--quiet", "film.mp4")
    git(project, "commit", "--quiet", "-m", "No film")
    repository.prepare()
    work_tree = find_work_tree(project)
    work_tree.push(work_tree.head().commit, repository.path, ["ssh"])
    repository.fetch(server, "main")
    assert sum(file.stat().st_size for file in Path(repository.path).rglob("*") if file.is_file()) < MEBIBYTE
    (project / "functions" / "hello" / "more.py").write_text("MORE = True\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "More")
    head = work_tree.head().commit
    work_tree.push(head, repository.path, ["ssh"])
    assert git(repository.path, "cat-file", "blob", f"{head.sha}:functions/hello/more.py") == "MORE = True"


def test_a_repository_with_large_files_is_told(project, server, tmp_path):
    (project / "film.mp4").write_bytes(os.urandom(2 * MEBIBYTE))
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "A film")
    repository = ManagerRepository(
        LocalShell("pi1"), "hello", str(tmp_path / "state"), largest_bytes=MEBIBYTE
    )
    repository.prepare()
    work_tree = find_work_tree(project)
    with pytest.raises(SpecError) as pushed:
        work_tree.push(work_tree.head().commit, repository.path, ["ssh"])
    assert "A film) is too large: its files, packed, are more than" in pushed.value.message
    with pytest.raises(SpecError) as fetched:
        repository.fetch(server, "main")
    assert "at main is too large: its files, packed, are more than 1 MiB" in fetched.value.message
    assert repository.fetch(server, "v1").commit.subject == "First"


@pytest.mark.parametrize("ref", ["", "main", "v1"])
def test_a_branch_or_tag_is_fetched(project, repository, server, ref):
    source = repository.fetch(server, ref)
    assert (source.commit.sha, source.commit.subject) == (git(project, "rev-parse", "HEAD"), "First")
    assert source.has("functions/hello.yml")


def test_the_second_fetch_follows_the_branch(project, repository, server):
    before = repository.fetch(server, "main").commit.sha
    git(project, "commit", "--quiet", "--allow-empty", "--amend", "-m", "Rewritten")
    after = repository.fetch(server, "main")
    assert after.commit.subject == "Rewritten"
    assert git(repository.path, "cat-file", "-t", before) == "commit"


def test_what_a_fetched_commit_says_is_read(repository, server):
    source = repository.fetch(server, "v1")
    assert find_stack_file_in(source, "hello", "functions/hello.yml") == "functions/hello.yml"
    version = read_version(source, "hello", "functions/hello.yml", {"LEVEL": "debug"})
    assert version.folder == "functions/hello"
    assert version.spec.environment == {"A": "file", "B": "inline", "LEVEL": "debug"}


def test_a_commit_without_the_functions_file_is_told(repository, server):
    with pytest.raises(SpecError) as caught:
        find_stack_file_in(repository.fetch(server, "v1"), "hello", "")
    assert "has no hello.yml and no hello.yaml and no stack.yml" in caught.value.message


@pytest.mark.parametrize(
    ("ref", "branch"), [("", "main"), ("main", "main"), ("refs/heads/main", "main"), ("a/b", "a/b")]
)
def test_the_branch_that_is_followed(project, repository, server, ref, branch):
    git(project, "branch", "a/b")
    repository.prepare()
    assert repository.branch(server, ref) == branch


@pytest.mark.parametrize("ref", ["v1", "b", "no-such-branch"])
def test_what_is_no_branch_is_told(project, repository, server, ref):
    git(project, "branch", "a/b")
    repository.prepare()
    with pytest.raises(SpecError, match=f"'{ref}' is no branch of {server}") as caught:
        repository.branch(server, ref)
    assert "--ref BRANCH --force" in caught.value.hint


def test_a_repository_without_a_branch_has_none_to_follow(project, repository, server):
    git(project, "checkout", "--quiet", "--detach")
    repository.prepare()
    with pytest.raises(SpecError, match="'HEAD' is no branch"):
        repository.branch(server, "")


def test_an_unknown_ref_is_told(repository, server):
    with pytest.raises(SpecError) as caught:
        repository.fetch(server, "v9")
    assert caught.value.message == f"{server} has no branch, tag or commit 'v9'."


def test_a_repository_that_does_not_answer_is_told(repository):
    with pytest.raises(BuildError) as caught:
        repository.fetch(f"git://127.0.0.1:{free_port()}/project", "main")
    assert "pi1 could not fetch git://127.0.0.1" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "ref"),
    [
        ("ext::sh -c reboot", ""),
        ("--upload-pack=reboot", ""),
        ("/etc", ""),
        ("https://me:password@example.org/x.git", ""),
        ("https://example.org/x.git", "--output=/etc/passwd"),
    ],
)
def test_addresses_that_git_must_never_see(repository, url, ref):
    with pytest.raises(SpecError):
        repository.fetch(url, ref)


def test_the_deploy_key_is_made_once(repository):
    repository.prepare()
    key = repository.deploy_key()
    assert key.startswith("ssh-ed25519 ") and key.endswith(" piswarm hello")
    assert repository.deploy_key() == key
