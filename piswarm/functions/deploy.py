"""`piswarm deploy`: a git commit becomes the running version of a function.

observe -> plan -> build -> push -> deploy by digest -> wait until it answers. Whatever fails on the way leaves
the version that runs alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piswarm.cluster.inventory import Cluster
from piswarm.errors import BuildError, SpecError, UsageError
from piswarm.functions.architectures import builders, pin, wanted
from piswarm.functions.build import BUILD_TIMEOUT_S
from piswarm.functions.gateway import GatewayClient
from piswarm.functions.natively import build_version
from piswarm.functions.remote import ManagerRepository
from piswarm.functions.site import Deployed, Site
from piswarm.functions.source import Source, WorkTree, find_work_tree, is_in_repository
from piswarm.functions.spec import Stack
from piswarm.functions.version import (
    ARCHITECTURES,
    Version,
    annotation,
    deployment,
    find_stack_file,
    find_stack_file_in,
    is_live,
    origin,
    read_stack,
    read_version,
    version_at,
)

if TYPE_CHECKING:
    from piswarm.cluster.shell import Shell

LIVE_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Wish:
    """What the user asks for.

    Attributes:
        function: the function's name.
        folder: the user's folder.
        file: the function's file; empty to look for `<name>.yml` and `stack.yml`.
        repo: address of a git repository; empty for the user's work tree.
        ref: branch, tag or commit of that repository; empty for its default branch.
        variables: what `${...}` in the file stands for.
        is_dirty: take what is on the disk, committed or not.
        is_forced: build and deploy even when nothing has changed, without cached layers.
        is_dry_run: only say what would be done.
        live_timeout_s: seconds until a version that does not answer is given up.
        build_timeout_s: seconds until a build is ended.
    """

    function: str
    folder: Path
    file: str = ""
    repo: str = ""
    ref: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    is_dirty: bool = False
    is_forced: bool = False
    is_dry_run: bool = False
    live_timeout_s: float = LIVE_TIMEOUT_S
    build_timeout_s: float = BUILD_TIMEOUT_S


@dataclass(frozen=True)
class Remote:
    """A repository elsewhere that the nodes fetch from.

    Attributes:
        url: its address.
        ref: branch, tag or commit; empty for its default branch.
    """

    url: str
    ref: str


def deploy_function(site: Site, wish: Wish) -> Deployed:
    """Make the version of a function that a commit holds the one that answers.

    Raises:
        PiswarmError: it could not be done; the version that was live still is.
    """
    where, version = _observe(site, wish)
    architectures = wanted(builders(site.cluster), version.spec.constraints)
    running = site.gateway.function(wish.function)
    if _is_live(site, running, version, architectures) and not wish.is_forced:
        return _as_it_is(site, version, running)
    check_secrets(site.gateway, version)
    site.console.note(f"Commit {version.source.commit.short} ({version.source.commit.subject})")
    if wish.is_dry_run:
        for step in plan_deploy(version, running, site.cluster, architectures):
            site.console.note(f"Would {step}")
        return _as_it_is(site, version, running)
    with site.deploying(wish.function) as somebody_else_did:
        if somebody_else_did:
            running = site.gateway.function(wish.function)
            if _is_live(site, running, version, architectures):
                return _as_it_is(site, version, running)
        for shell in [site.node_for(arch) for arch in architectures]:
            _bring(site, shell, where, version)
        image = build_version(
            site, version, architectures, is_cached=not wish.is_forced, timeout_s=wish.build_timeout_s
        )
        annotations = {**origin(version), ARCHITECTURES: ",".join(architectures)}
        body = deployment(version.spec, image, annotations)
        body["constraints"] += pin(architectures, site.cluster)
        return site.put_live(body, running, wish.live_timeout_s)


def plan_deploy(
    version: Version, running: Mapping[str, Any] | None, cluster: Cluster, architectures: Sequence[str]
) -> list[str]:
    """Return the steps of a deploy, in words."""
    name, kinds = version.spec.name, builders(cluster)
    nodes = " and ".join(kinds[arch][0].name for arch in architectures)
    verb = "update" if running is not None else "create"
    return [
        f"send commit {version.source.commit.short} to {nodes}",
        f"build {name} ({version.template.name}) on {nodes} and give it to the registry",
        f"{verb} {name} and wait until it answers",
    ]


def check_secrets(gateway: GatewayClient, version: Version) -> None:
    """Miss secrets before the build, not after it.

    Raises:
        SpecError: the function names a secret that the cluster does not have.
    """
    if not version.spec.secrets:
        return
    missing = sorted(set(version.spec.secrets) - set(gateway.secrets()))
    if missing:
        names = " and ".join(f"'{name}'" for name in missing)
        raise SpecError(
            f"{version.spec.name} needs the secret {names}, which the cluster does not have.",
            f"Make it: piswarm secret create {missing[0]}",
        )


def _is_live(
    site: Site, running: Mapping[str, Any] | None, version: Version, architectures: Sequence[str]
) -> bool:
    """Return whether what runs is the version, built for all that there is now."""
    if running is None or not is_live(running, version.fingerprint):
        return False
    built = annotation(running, ARCHITECTURES) or site.cluster.image_arch
    return built.split(",") == list(architectures)


def _observe(site: Site, wish: Wish) -> tuple[WorkTree | Remote, Version]:
    """Find the commit and read what it says; of a repository elsewhere, the manager fetches it."""
    where: WorkTree | Remote
    if wish.repo:
        where = Remote(wish.repo, wish.ref)
        source = _fetch(site, wish, where)
        stack_file = find_stack_file_in(source, wish.function, wish.file)
        version = read_version(source, wish.function, stack_file, wish.variables)
    else:
        path = find_stack_file(wish.function, wish.folder, wish.file)
        stack = _stack_that_names_a_repository(path, wish)
        if stack is not None:
            spec = stack.function(wish.function)
            where = Remote(spec.repo, wish.ref or spec.ref)
            source = _fetch(site, wish, where)
            version = version_at(source, stack, wish.function, path.name, wish.variables)
        else:
            where, version = _observe_work_tree(site, wish, path)
    for note in version.notes:
        site.console.note(note)
    return where, version


def _stack_that_names_a_repository(path: Path, wish: Wish) -> Stack | None:
    """Return what the file on the disk says, where it says that the source is in another repository."""
    try:
        stack = read_stack(path.read_text(), path.name, wish.variables)
    except SpecError:
        if is_in_repository(path.parent):
            return None  # what is committed counts, and may be better
        raise
    spec = stack.functions.get(wish.function)
    return stack if spec is not None and spec.repo else None


def _fetch(site: Site, wish: Wish, remote: Remote) -> Source:
    with site.console.step(f"Fetch {remote.url} {remote.ref}".rstrip()):
        return ManagerRepository(site.manager, wish.function).fetch(remote.url, remote.ref)


def _observe_work_tree(site: Site, wish: Wish, path: Path) -> tuple[WorkTree, Version]:
    if wish.ref:
        raise UsageError(
            f"{path.name} names no repository that --ref could be about: the commit that is checked out is deployed.",
            "Check that commit out, or name the repository with --repo.",
        )
    work_tree = find_work_tree(path.parent)
    source = work_tree.with_changes() if wish.is_dirty else work_tree.head()
    version = read_version(source, wish.function, source.inside(path.name), wish.variables)
    changed = [] if wish.is_dirty else work_tree.uncommitted((version.stack_file, version.folder))
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        site.console.note(f"Not committed, so not deployed: {', '.join(changed[:5])}{more}.")
    return work_tree, version


def _bring(site: Site, shell: Shell, origin: WorkTree | Remote, version: Version) -> None:
    """Have the commit on a node that builds."""
    repository, commit = ManagerRepository(shell, version.spec.name), version.source.commit
    if isinstance(origin, WorkTree):
        with site.console.step(f"Send commit {commit.short} to {shell.node}"):
            repository.prepare()
            origin.push(commit, repository.address, shell.ssh_command())
    elif shell is not site.manager:
        with site.console.step(f"Fetch commit {commit.short} on {shell.node}"):
            fetched = repository.fetch(origin.url, origin.ref).commit
        if fetched.sha != commit.sha:
            raise BuildError(
                f"{origin.url} has moved on from {commit.short} to {fetched.short} meanwhile.",
                "Run the same command again.",
            )


def _as_it_is(site: Site, version: Version, running: Mapping[str, Any] | None) -> Deployed:
    name = version.spec.name
    image = str(running["image"]) if running else ""
    return Deployed(name, site.url(name), version.source.commit.sha, image, False)
