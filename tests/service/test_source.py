"""Commits of real git repositories."""

import subprocess

import pytest

from piswarm.errors import BuildError, SpecError
from piswarm.functions.create import create_function
from piswarm.functions.source import find_work_tree, what_was_said


@pytest.fixture(autouse=True)
def clean_git(monkeypatch, tmp_path):
    """Let git know nothing of the person who runs the tests."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)


def git(folder, *arguments):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def commit(folder):
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Change")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "work"
    (folder / "sub" / "hello").mkdir(parents=True)
    (folder / "sub" / "hello" / "handler.py").write_text("def handle(req): return req\n")
    (folder / "sub" / "hello.yml").write_text("functions: {}\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "First\n\nbody")
    return folder


def test_the_commit_is_read_with_its_message_and_author(repository):
    commit = find_work_tree(repository).head().commit
    assert commit.sha == git(repository, "rev-parse", "HEAD").strip()
    assert (commit.subject, commit.author, len(commit.short)) == ("First", "Ada", 12)


def test_paths_are_those_of_the_users_folder(repository):
    source = find_work_tree(repository / "sub").head()
    assert source.root == repository.resolve()
    assert source.inside("./hello") == "sub/hello"
    assert source.inside("../other") == "other"
    assert find_work_tree(repository).head().inside("hello.yml") == "hello.yml"


def test_files_are_read_from_the_commit_not_from_the_disk(repository):
    (repository / "sub" / "hello.yml").write_text("changed\n")
    tree = find_work_tree(repository)
    assert tree.head().read("sub/hello.yml") == "functions: {}\n"
    assert tree.uncommitted(["sub/hello.yml", "sub/hello"]) == ["sub/hello.yml"]
    assert tree.uncommitted(["sub/hello"]) == []


def test_new_files_are_uncommitted_too(repository):
    (repository / "sub" / "hello" / "with blank.py").write_text("")
    tree = find_work_tree(repository / "sub")
    assert tree.uncommitted(["sub/hello"]) == ["sub/hello/with blank.py"]


def test_the_tree_changes_only_with_its_folder(repository):
    tree = find_work_tree(repository)
    before = tree.head().tree("sub/hello")
    (repository / "README").write_text("x")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Second")
    assert tree.head().tree("sub/hello") == before
    (repository / "sub" / "hello" / "handler.py").write_text("def handle(req): return 1\n")
    git(repository, "commit", "--quiet", "-am", "Third")
    assert tree.head().tree("sub/hello") != before
    assert tree.head().has("README") and not tree.head().has("nothing")
    assert tree.head().tree(".") == git(repository, "rev-parse", "HEAD^{tree}").strip()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../elsewhere", "The folder ../elsewhere lies outside the git repository"),
        ("sub/hello.yml", "sub/hello.yml is not a folder in the commit"),
        ("nothing", "The folder nothing is not in the commit"),
        ("link", "link is not a folder in the commit"),
    ],
)
def test_a_source_that_cannot_be(repository, path, message):
    (repository / "link").symlink_to("/etc")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Link")
    tree = find_work_tree(repository)
    with pytest.raises(SpecError) as caught:
        tree.head().tree(path)
    assert caught.value.message.startswith(message)


def test_a_complete_folder_is_fine(repository):
    (repository / "sub" / "hello" / "again.py").symlink_to("handler.py")
    commit(repository)
    find_work_tree(repository).head().check_folder("sub/hello")
    find_work_tree(repository).head().check_folder(".")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside", "../hello.yml", "../hello2/x"])
def test_a_link_that_leads_out_of_the_folder_is_told(repository, target):
    (repository / "sub" / "hello" / "link").symlink_to(target)
    commit(repository)
    with pytest.raises(SpecError) as caught:
        find_work_tree(repository).head().check_folder("sub/hello")
    assert caught.value.message.startswith(
        f"The link sub/hello/link leads to {target}, outside of the function's"
    )


def test_a_submodule_is_told(repository, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "-m", "x")
    git(
        repository,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(other),
        "sub/hello/lib",
    )
    commit(repository)
    with pytest.raises(SpecError, match="sub/hello/lib is a git submodule"):
        find_work_tree(repository).head().check_folder("sub/hello")


def test_a_file_that_is_kept_elsewhere_is_told(repository):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    (repository / "sub" / "hello" / "model.bin").write_text(pointer)
    commit(repository)
    with pytest.raises(SpecError, match="is kept in Git LFS"):
        find_work_tree(repository).head().check_folder("sub/hello")


def test_changes_on_the_disk_can_be_taken_along(repository):
    (repository / "sub" / "hello" / "handler.py").write_text("changed")
    (repository / "sub" / "hello" / "new.py").write_text("new")
    (repository / "elsewhere").write_text("stays out")
    before = git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")
    source = find_work_tree(repository / "sub").with_changes()
    assert (source.read("sub/hello/handler.py"), source.read("sub/hello/new.py")) == ("changed", "new")
    assert not source.has("elsewhere")
    assert source.commit.subject.startswith("Uncommitted changes to ")
    assert (git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")) == before


def test_a_file_that_is_only_on_the_disk_is_told(repository):
    (repository / "new.yml").write_text("functions: {}\n")
    tree = find_work_tree(repository)
    with pytest.raises(SpecError) as caught:
        tree.head().read("new.yml")
    assert caught.value.message.startswith("new.yml is not in the commit")
    assert caught.value.hint == "Commit it: git add new.yml && git commit"


def test_no_repository(tmp_path):
    with pytest.raises(SpecError) as caught:
        find_work_tree(tmp_path)
    assert caught.value.message == f"{tmp_path} is not in a git repository, and what is deployed is a commit."


def test_no_commit(tmp_path):
    git(tmp_path, "init", "--quiet")
    with pytest.raises(SpecError) as caught:
        find_work_tree(tmp_path).head()
    assert "has no commit yet" in caught.value.message


def test_a_commit_arrives_under_a_name_of_its_own(repository, tmp_path):
    bare = tmp_path / "bare.git"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    git(bare, "config", "receive.shallowUpdate", "true")
    tree = find_work_tree(repository)
    tree.push(tree.head().commit, str(bare), ["ssh"])
    tree.push(tree.head().commit, str(bare), ["ssh"])
    assert git(bare, "for-each-ref", "--format=%(refname)").split() == [
        f"refs/piswarm/{tree.head().commit.sha}"
    ]


def test_a_commit_of_a_shallow_clone_arrives(repository, tmp_path):
    (repository / "README").write_text("x")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Second")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repository}", "shallow")
    bare = tmp_path / "bare.git"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    git(bare, "config", "receive.shallowUpdate", "true")
    tree = find_work_tree(tmp_path / "shallow")
    tree.push(tree.head().commit, str(bare), ["ssh"])
    assert git(bare, "cat-file", "blob", f"{tree.head().commit.sha}:README") == "x"


def test_what_ssh_warns_of_is_not_the_reason():
    said = (
        "Warning: Permanently added '10.0.0.7' (ED25519) to the list of known hosts.\n"
        "git@10.0.0.7: Permission denied (publickey).\nfatal: Could not read from remote repository.\n"
    )
    assert what_was_said(said) == "git@10.0.0.7: Permission denied (publickey)"


def test_a_push_that_fails_says_why(repository, tmp_path):
    tree = find_work_tree(repository)
    with pytest.raises(BuildError) as caught:
        tree.push(tree.head().commit, str(tmp_path / "nothing.git"), ["ssh"])
    assert "could not be sent to the node that builds" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_new_function_in_an_empty_folder_is_committed(tmp_path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    created = create_function(folder, "hello")
    assert created.is_committed
    assert created.files == ("hello.yml", "hello/handler.py", "hello/requirements.txt")
    tree = find_work_tree(folder)
    assert tree.uncommitted(["."]) == []
    assert tree.head().commit.subject == "Start hello"
    assert tree.head().commit.author != ""


def test_a_new_function_elsewhere_is_left_to_the_user_to_commit(repository):
    assert not create_function(repository, "another").is_committed
    assert find_work_tree(repository).uncommitted(["another", "another.yml"])


def test_a_folder_with_other_things_is_not_made_a_repository(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "diary.txt").write_text("private")
    assert not create_function(folder, "hello").is_committed
    assert not (folder / ".git").exists()


def test_the_example_is_made_by_its_name(tmp_path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    created = create_function(folder, "functest", example=True)
    assert created.files == ("functest.yml", "functest/handler.py", "functest/requirements.txt")
    assert "lang: python-armhf" in (folder / "functest.yml").read_text()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Hello", {}, "'Hello' cannot be the name of a function."),
        ("hello", {"lang": "pyhton3"}, "There is no language 'pyhton3' (did you mean 'python3'?)."),
        ("functst", {"example": True}, "There is no example 'functst' (did you mean 'functest'?)."),
        ("taken", {}, "taken.yml exists already."),
    ],
)
def test_a_function_that_cannot_be_started(tmp_path, name, options, message):
    (tmp_path / "taken.yml").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SpecError) as caught:
        create_function(tmp_path, name, **options)
    assert caught.value.message.endswith(message)
    assert sorted(tmp_path.iterdir()) == before
