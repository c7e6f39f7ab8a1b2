"""`piswarm deploy`: a git commit becomes a running version of a function.

observe -> plan -> build -> push -> deploy by digest -> wait until it answers. Whatever fails on the way leaves
the version that runs alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piswarm.cluster.connect import Connection, connect
from piswarm.cluster.inventory import Cluster
from piswarm.console import Console
from piswarm.errors import DeployError, SpecError
from piswarm.functions.build import BuildRequest, build, prepare_repository
from piswarm.functions.gateway import GatewayClient
from piswarm.functions.rollout import FINGERPRINT, wait_until_live
from piswarm.functions.source import Commit, WorkTree, find_work_tree
from piswarm.functions.spec import FunctionSpec, Stack, did_you_mean, parse_stack
from piswarm.functions.templates import Template, load_templates

LIVE_TIMEOUT_S = 120.0
COMMIT = "piswarm.commit"
SUBJECT = "piswarm.subject"
AUTHOR = "piswarm.author"
_STACK_FILES = ("stack.yml", "stack.yaml")


@dataclass(frozen=True)
class Version:
    """What is to be live: a function at a commit.

    Attributes:
        work_tree: where the source is.
        commit: the commit.
        spec: the function as the commit's file describes it.
        folder: the source, relative to the top of the repository.
        template: its language.
        fingerprint: changes when anything that makes the running function does.
        notes: what the user should know about the file.
    """

    work_tree: WorkTree
    commit: Commit
    spec: FunctionSpec
    folder: str
    template: Template
    fingerprint: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deployed:
    """How a deploy ended.

    Attributes:
        function: the function's name.
        url: where it answers.
        commit: full name of the commit that is live.
        image: the image that is live.
        is_changed: whether anything had to be done.
    """

    function: str
    url: str
    commit: str
    image: str
    is_changed: bool


def deploy_function(
    cluster: Cluster,
    console: Console,
    name: str,
    folder: Path,
    *,
    file: str = "",
    variables: Mapping[str, str],
    is_forced: bool = False,
    is_dry_run: bool = False,
    live_timeout_s: float = LIVE_TIMEOUT_S,
) -> Deployed:
    """Make the version of `name` that is committed in `folder` the one that answers.

    Args:
        cluster: where.
        console: is told what happens.
        name: the function.
        folder: a folder of the user's work tree.
        file: the function's file, relative to `folder`; empty to look for `<name>.yml` and `stack.yml`.
        variables: what `${...}` in the file stands for.
        is_forced: build and deploy even when nothing has changed, without cached layers.
        is_dry_run: only say what would be done.
        live_timeout_s: seconds until a version that does not answer is given up.

    Raises:
        PiswarmError: it could not be done; the version that was live still is.
    """
    version = observe_source(name, folder, file, variables)
    for note in version.notes:
        console.note(note)
    gateway = GatewayClient(cluster.gateway_url, *cluster.gateway_credentials)
    running = gateway.function(name)
    url = f"{cluster.gateway_url}/function/{name}"
    if running is not None and is_live(running, version.fingerprint) and not is_forced:
        return Deployed(name, url, version.commit.sha, str(running["image"]), False)
    console.note(f"Commit {version.commit.short} ({version.commit.subject})")
    for step in plan_deploy(version, running, cluster):
        if is_dry_run:
            console.note(f"Would {step}")
    if is_dry_run:
        return Deployed(name, url, version.commit.sha, "", False)
    with connect(cluster, cluster.manager) as manager:
        image = _build(manager, version, cluster.platform, console, is_cached=not is_forced)
        wanted = deployment(version.spec, image, origin_of(version))
        wanted["constraints"] += _architecture(cluster)
        with console.step(f"Put {name} live"):
            gateway.put(wanted)
            try:
                wait_until_live(
                    manager, gateway, name, version.fingerprint,
                    timeout_s=live_timeout_s, on_progress=console.progress,
                )  # fmt: skip
            except DeployError as error:
                raise _taken_back(gateway, name, running, error) from error
    return Deployed(name, url, version.commit.sha, image, True)


def observe_source(name: str, folder: Path, file: str, variables: Mapping[str, str]) -> Version:
    """Read what the commit that is checked out in `folder` says about the function `name`.

    Raises:
        SpecError: there is no such file, repository, commit or function, or the file cannot be used.
    """
    stack_file = find_stack_file(name, folder, file)
    work_tree = find_work_tree(stack_file.parent)
    commit = work_tree.head()
    templates = load_templates()
    stack = parse_stack(
        work_tree.read(commit, work_tree.inside(stack_file.name)), stack_file.name, variables, templates
    )
    spec = stack.function(name)
    if not spec.is_built:
        raise SpecError(
            f"{name} names no 'lang' in {stack_file.name} line {spec.line}: there is nothing to build."
        )
    template = templates[spec.lang]
    source = work_tree.inside(spec.handler)
    tree = work_tree.tree(commit, source)
    notes = (*stack.notes, *_notes(stack, work_tree, (work_tree.inside(stack_file.name), source)))
    return Version(work_tree, commit, spec, source, template, fingerprint(spec, tree, template), notes)


def find_stack_file(name: str, folder: Path, file: str) -> Path:
    """Return the file that describes the function `name`.

    Raises:
        SpecError: there is none.
    """
    if file:
        if not (folder / file).is_file():
            raise SpecError(f"There is no file {folder / file}.")
        return (folder / file).resolve()
    for candidate in (f"{name}.yml", f"{name}.yaml", *_STACK_FILES):
        if (folder / candidate).is_file():
            return (folder / candidate).resolve()
    near = did_you_mean(name, (path.stem for path in folder.glob("*.y*ml")))
    raise SpecError(
        f"There is no {name}.yml and no stack.yml in {folder}{near}.", f"Start a function: piswarm new {name}"
    )


def fingerprint(spec: FunctionSpec, tree: str, template: Template) -> str:
    """Return a text that changes when the source, the way to build it, or the way to run it does."""
    parts = [tree, template.dockerfile, sorted(spec.build_args.items()), deployment(spec, "", {})]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def is_live(running: Mapping[str, Any], wanted: str) -> bool:
    """Return whether the function, as the gateway describes it, is the version `wanted` and runs."""
    is_same = (running.get("annotations") or {}).get(FINGERPRINT) == wanted
    return is_same and running["availableReplicas"] >= min(1, running["replicas"])


def plan_deploy(version: Version, running: Mapping[str, Any] | None, cluster: Cluster) -> list[str]:
    """Return the steps of a deploy, in words."""
    name, manager = version.spec.name, cluster.manager.name
    verb = "update" if running is not None else "create"
    return [
        f"send commit {version.commit.short} to {manager}",
        f"build {name} ({version.template.name}) on {manager} and give it to the registry",
        f"{verb} {name} and wait until it answers",
    ]


def deployment(spec: FunctionSpec, image: str, origin: Mapping[str, str]) -> dict[str, Any]:
    """Return the body that the gateway's API takes (OpenFaaS's FunctionDeployment)."""
    return {
        "service": spec.name,
        "image": image,
        "envProcess": spec.process,
        "envVars": dict(spec.environment),
        "constraints": list(spec.constraints),
        "secrets": list(spec.secrets),
        "labels": dict(spec.labels),
        "annotations": {**spec.annotations, **origin},
        "limits": dict(spec.limits),
        "requests": dict(spec.requests),
        "readOnlyRootFilesystem": spec.read_only,
    }


def origin_of(version: Version) -> dict[str, str]:
    """Return what the cluster keeps about where a version comes from."""
    return {
        FINGERPRINT: version.fingerprint,
        COMMIT: version.commit.sha,
        SUBJECT: version.commit.subject,
        AUTHOR: version.commit.author,
    }


def _notes(stack: Stack, work_tree: WorkTree, paths: tuple[str, ...]) -> list[str]:
    notes = []
    changed = work_tree.uncommitted(paths)
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        notes.append(f"Not committed, so not deployed: {', '.join(changed[:5])}{more}.")
    if stack.gateway:
        notes.append(f"{stack.file} names the gateway {stack.gateway}; the cluster's own is used.")
    return notes


def _build(manager: Connection, version: Version, platform: str, console: Console, *, is_cached: bool) -> str:
    name = version.spec.name
    with console.step(f"Send commit {version.commit.short} to {manager.node}"):
        address = prepare_repository(manager, name)
        version.work_tree.push(version.commit, address, manager.ssh_command())
    request = BuildRequest(
        function=name,
        commit=version.commit.sha,
        folder=version.folder,
        platform=platform,
        dockerfile=version.template.dockerfile,
        base=version.template.image,
        build_args=version.spec.build_args,
        is_cached=is_cached,
    )
    with console.step(f"Build {name} on {manager.node}"):
        return build(manager, request, console.progress)


def _architecture(cluster: Cluster) -> list[str]:
    """Keep images off nodes with another processor than the one that they are built for."""
    if len({node.arch for node in cluster.nodes}) < 2:
        return []
    return [f"node.labels.piswarm.arch=={cluster.image_arch}"]


def _taken_back(
    gateway: GatewayClient, name: str, running: Mapping[str, Any] | None, error: DeployError
) -> DeployError:
    """Undo a deploy that failed, and say so."""
    if running is None:
        gateway.remove(name)
        return DeployError(f"{error.message} It was removed again.", error.hint)
    before = (running.get("annotations") or {}).get(COMMIT, "")
    if (gateway.existing(name).get("annotations") or {}) != (running.get("annotations") or {}):
        gateway.put(previous_deployment(running))
    version = f"commit {before[:12]}" if before else str(running["image"])
    return DeployError(f"{error.message} The version before ({version}) still runs.", error.hint)


def previous_deployment(running: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that deploys again what the gateway describes as running."""
    keys = (
        "image", "envProcess", "envVars", "constraints", "secrets", "labels", "annotations", "limits",
        "requests", "readOnlyRootFilesystem",
    )  # fmt: skip
    return {"service": running["name"], **{key: running[key] for key in keys if running.get(key) is not None}}
