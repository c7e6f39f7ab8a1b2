"""`piswarm deploy` and `piswarm rollback`: a git commit becomes the running version of a function.

observe -> plan -> build -> push -> deploy by digest -> wait until it answers. Whatever fails on the way leaves
the version that runs alone.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from piswarm.cluster.connect import Connection, connect
from piswarm.cluster.engine import engine_of
from piswarm.cluster.inventory import Cluster
from piswarm.console import Console
from piswarm.errors import DeployError, SpecError
from piswarm.functions import history
from piswarm.functions.base_image import base_image
from piswarm.functions.build import BuildRequest, build
from piswarm.functions.gateway import GatewayClient
from piswarm.functions.history import Entry
from piswarm.functions.lock import BUILDS, deploys_of, exclusive
from piswarm.functions.prune import prune_images
from piswarm.functions.remote import ManagerRepository
from piswarm.functions.rollout import put_live
from piswarm.functions.source import WorkTree, find_work_tree
from piswarm.functions.version import (
    AUTHOR,
    COMMIT,
    SUBJECT,
    Version,
    deployment,
    find_stack_file,
    find_stack_file_in,
    is_live,
    origin,
    read_version,
)

LIVE_TIMEOUT_S = 120.0
LOCK_TIMEOUT_S = 1800.0


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
    """

    function: str
    folder: Path
    file: str = ""
    repo: str = ""
    ref: str = ""
    variables: Mapping[str, str] | None = None
    is_dirty: bool = False
    is_forced: bool = False
    is_dry_run: bool = False
    live_timeout_s: float = LIVE_TIMEOUT_S


@dataclass(frozen=True)
class Deployed:
    """How a deploy ended.

    Attributes:
        function: the function's name.
        url: where it answers.
        commit: full name of the commit that is live.
        image: the image that is live.
        is_changed: whether anything had to be done.
        number: its number in the history; 0 where nothing was done.
    """

    function: str
    url: str
    commit: str
    image: str
    is_changed: bool
    number: int = 0


def deploy_function(cluster: Cluster, console: Console, wish: Wish) -> Deployed:
    """Make the version of a function that a commit holds the one that answers.

    Raises:
        PiswarmError: it could not be done; the version that was live still is.
    """
    gateway = GatewayClient(cluster.gateway_url, *cluster.gateway_credentials)
    with closing(connect(cluster, cluster.manager)) as manager:
        repository = ManagerRepository(manager, wish.function)
        work_tree, version = _observe(repository, wish, console)
        running = gateway.function(wish.function)
        if is_live(running, version.fingerprint) and not wish.is_forced:
            return _nothing_to_do(cluster, version, running)
        _check_secrets(gateway, version)
        console.note(f"Commit {version.source.commit.short} ({version.source.commit.subject})")
        if wish.is_dry_run:
            for step in plan_deploy(version, running, cluster):
                console.note(f"Would {step}")
            return Deployed(wish.function, _url(cluster, wish.function), version.source.commit.sha, "", False)
        with exclusive(
            manager, deploys_of(wish.function), _me(), timeout_s=LOCK_TIMEOUT_S,
            on_wait=lambda holder: console.note(f"{holder} deploys {wish.function} at the moment; waiting"),
        ) as somebody_else_did:  # fmt: skip
            if somebody_else_did:
                running = gateway.function(wish.function)
                if is_live(running, version.fingerprint):
                    return _nothing_to_do(cluster, version, running)
            image = _build(repository, work_tree, version, cluster, console, is_cached=not wish.is_forced)
            wanted = deployment(version.spec, image, origin(version))
            wanted["constraints"] += _architecture(cluster)
            number = _put_live(manager, gateway, wanted, running, console, wish.live_timeout_s)
    return Deployed(
        wish.function, _url(cluster, wish.function), version.source.commit.sha, image, True, number
    )


def rollback_function(
    cluster: Cluster,
    console: Console,
    function: str,
    number: int = 0,
    *,
    live_timeout_s: float = LIVE_TIMEOUT_S,
) -> Deployed:
    """Make a version that was live the one that answers again; nothing is built.

    Args:
        cluster: where.
        console: is told what happens.
        function: the function's name.
        number: the version's number in the history; 0 for the one before.
        live_timeout_s: seconds until it is given up.

    Raises:
        PiswarmError: there is no such version, or it does not work; the version that was live still is.
    """
    gateway = GatewayClient(cluster.gateway_url, *cluster.gateway_credentials)
    running = gateway.existing(function)
    with closing(connect(cluster, cluster.manager)) as manager:
        kept = read_history(manager, function)
        entry = history.choose(kept, str(running["image"]), number)
        if entry is None:
            known = ", ".join(str(one.number) for one in kept) or "none"
            what = f"version {number}" if number else "version before the one that runs"
            raise DeployError(f"{function} has no {what}.", f"Kept versions: {known}.")
        url = _url(cluster, function)
        if entry.image == running["image"] and entry.deployment.get("annotations") == running["annotations"]:
            return Deployed(function, url, entry.commit, entry.image, False, entry.number)
        console.note(f"Version {entry.number}: commit {entry.commit[:12]} ({entry.subject})")
        with exclusive(
            manager, deploys_of(function), _me(), timeout_s=LOCK_TIMEOUT_S,
            on_wait=lambda holder: console.note(f"{holder} deploys {function} at the moment; waiting"),
        ):  # fmt: skip
            new = _put_live(
                manager, gateway, entry.deployment, running, console, live_timeout_s,
                note=f"back to version {entry.number}",
            )  # fmt: skip
    return Deployed(function, url, entry.commit, entry.image, True, new)


def read_history(manager: Connection, function: str) -> list[Entry]:
    """Return the kept versions of a function, the newest first."""
    with engine_of(manager) as engine:
        return history.entries(engine, function)


def plan_deploy(version: Version, running: Mapping[str, Any] | None, cluster: Cluster) -> list[str]:
    """Return the steps of a deploy, in words."""
    name, manager = version.spec.name, cluster.manager.name
    verb = "update" if running is not None else "create"
    return [
        f"send commit {version.source.commit.short} to {manager}",
        f"build {name} ({version.template.name}) on {manager} and give it to the registry",
        f"{verb} {name} and wait until it answers",
    ]


def _observe(repository: ManagerRepository, wish: Wish, console: Console) -> tuple[WorkTree | None, Version]:
    """Find the commit and read what it says; with a repository of its own, the manager fetches it."""
    variables = wish.variables or {}
    if wish.repo:
        with console.step(f"Fetch {wish.repo}{f' {wish.ref}' if wish.ref else ''}"):
            source = repository.fetch(wish.repo, wish.ref)
        stack_file = find_stack_file_in(source, wish.function, wish.file)
        version = read_version(source, wish.function, stack_file, variables)
        notes, work_tree = list(version.notes), None
    else:
        path = find_stack_file(wish.function, wish.folder, wish.file)
        work_tree = find_work_tree(path.parent)
        source = work_tree.head()
        if wish.is_dirty:
            source = work_tree.with_changes([str(path.parent.relative_to(work_tree.root.resolve()))])
        version = read_version(source, wish.function, source.inside(path.name), variables)
        notes = [*(() if wish.is_dirty else _uncommitted(work_tree, version)), *version.notes]
    for note in notes:
        console.note(note)
    return work_tree, version


def _check_secrets(gateway: GatewayClient, version: Version) -> None:
    """Miss secrets before the build, not after it."""
    if not version.spec.secrets:
        return
    missing = sorted(set(version.spec.secrets) - set(gateway.secrets()))
    if missing:
        names = " and ".join(f"'{name}'" for name in missing)
        raise SpecError(
            f"{version.spec.name} needs the secret {names}, which the cluster does not have.",
            f"Make it: piswarm secret create {missing[0]}",
        )


def _uncommitted(work_tree: WorkTree, version: Version) -> list[str]:
    changed = work_tree.uncommitted((version.stack_file, version.folder))
    if not changed:
        return []
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    return [f"Not committed, so not deployed: {', '.join(changed[:5])}{more}."]


def _build(
    repository: ManagerRepository,
    work_tree: WorkTree | None,
    version: Version,
    cluster: Cluster,
    console: Console,
    *,
    is_cached: bool,
) -> str:
    name, commit, manager = version.spec.name, version.source.commit, repository.connection
    if work_tree is not None:
        with console.step(f"Send commit {commit.short} to {manager.node}"):
            repository.prepare()
            work_tree.push(commit, repository.address, manager.ssh_command())
    request = BuildRequest(
        function=name,
        repository=repository.path,
        commit=commit.sha,
        version=version.fingerprint,
        folder=version.folder,
        platform=cluster.platform,
        dockerfile=version.template.dockerfile,
        base=base_image(manager, version.template, cluster.platform, console),
        build_args=version.spec.build_args,
        is_cached=is_cached,
    )
    with (
        console.step(f"Build {name} on {manager.node}"),
        exclusive(
            manager, BUILDS, f"{name}, by {_me()}", timeout_s=LOCK_TIMEOUT_S,
            on_wait=lambda holder: console.progress(f"waiting for the build of {holder}"),
        ),
    ):  # fmt: skip
        return build(manager, request, console.progress)


def _put_live(
    manager: Connection,
    gateway: GatewayClient,
    wanted: Mapping[str, Any],
    running: Mapping[str, Any] | None,
    console: Console,
    live_timeout_s: float,
    *,
    note: str = "",
) -> int:
    """Put a version live, keep it in the history, and return its number there."""
    name, annotations = str(wanted["service"]), wanted["annotations"]
    with engine_of(manager) as engine:
        with console.step(f"Put {name} live"):
            put_live(
                engine, manager, gateway, wanted, running,
                timeout_s=live_timeout_s, on_progress=console.progress,
            )  # fmt: skip
        entry = Entry(
            number=0,
            commit=annotations[COMMIT],
            subject=annotations[SUBJECT],
            author=annotations[AUTHOR],
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            by=_me(),
            image=wanted["image"],
            note=note,
            deployment=wanted,
        )
        number = history.record(engine, name, entry).number
        prune_images(engine, name, [kept.image for kept in history.entries(engine, name)])
        return number


def _nothing_to_do(cluster: Cluster, version: Version, running: Mapping[str, Any] | None) -> Deployed:
    name = version.spec.name
    image = str(running["image"]) if running else ""
    return Deployed(name, _url(cluster, name), version.source.commit.sha, image, False)


def _architecture(cluster: Cluster) -> list[str]:
    """Keep images off nodes with another processor than the one that they are built for."""
    if len({node.arch for node in cluster.nodes}) < 2:
        return []
    return [f"node.labels.piswarm.arch=={cluster.image_arch}"]


def _url(cluster: Cluster, function: str) -> str:
    return f"{cluster.gateway_url}/function/{function}"


def _me() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
