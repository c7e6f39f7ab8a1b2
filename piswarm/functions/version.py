"""A version of a function: what a commit says about it, and what is asked of the gateway to run it."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from piswarm.errors import SpecError
from piswarm.functions.source import Source
from piswarm.functions.spec import FunctionSpec, Stack, did_you_mean, parse_environment, parse_stack
from piswarm.functions.templates import Template, load_templates
from piswarm.gateway.delivery import FILE, REF, REPOSITORY

FINGERPRINT = "piswarm.fingerprint"
COMMIT = "piswarm.commit"
SUBJECT = "piswarm.subject"
AUTHOR = "piswarm.author"
ARCHITECTURES = "piswarm.architectures"
"""Annotations that say what a running version was made from."""

_STACK_FILES = ("stack.yml", "stack.yaml")


@dataclass(frozen=True)
class Version:
    """A function at a commit.

    Attributes:
        source: the commit.
        spec: the function as the commit's file describes it.
        stack_file: that file, relative to the top of the repository.
        folder: the source, relative to the top of the repository.
        template: its language.
        fingerprint: changes when anything that makes the running function does.
        notes: what the user should know about the file.
    """

    source: Source
    spec: FunctionSpec
    stack_file: str
    folder: str
    template: Template
    fingerprint: str
    notes: tuple[str, ...] = ()


def find_stack_file(name: str, folder: Path, file: str) -> Path:
    """Return the file of a work tree that describes the function `name`.

    Raises:
        SpecError: there is none.
    """
    if file:
        if not (folder / file).is_file():
            raise SpecError(f"There is no file {folder / file}.")
        return (folder / file).resolve()
    for candidate in _candidates(name):
        if (folder / candidate).is_file():
            return (folder / candidate).resolve()
    near = did_you_mean(name, (path.stem for path in folder.glob("*.y*ml")))
    raise SpecError(
        f"There is no {name}.yml and no stack.yml in {folder}{near}.", f"Start a function: piswarm new {name}"
    )


def find_stack_file_in(source: Source, name: str, file: str) -> str:
    """Return the file of a commit that describes the function `name`.

    Raises:
        SpecError: there is none.
    """
    candidates = (file,) if file else _candidates(name)
    for candidate in candidates:
        if source.has(candidate):
            return candidate
    raise SpecError(
        f"The commit {source.commit.short} ({source.commit.subject}) has no {' and no '.join(candidates)}.",
        "Name the file with --file.",
    )


def read_version(source: Source, name: str, stack_file: str, variables: Mapping[str, str]) -> Version:
    """Read what a commit says about the function `name`.

    Args:
        source: the commit.
        name: the function.
        stack_file: the file that describes it, relative to the top of the repository.
        variables: what `${...}` in the file stands for.

    Raises:
        SpecError: the commit has no such file or function, or the file cannot be used.
    """
    stack = read_stack(source.read(stack_file), posixpath.basename(stack_file), variables)
    return version_at(source, stack, name, stack_file, variables)


def read_stack(text: str, file: str, variables: Mapping[str, str]) -> Stack:
    """Read a file that describes functions in the languages that there are.

    Raises:
        SpecError: it cannot be used.
    """
    return parse_stack(text, file, variables, load_templates())


def version_at(
    source: Source, stack: Stack, name: str, stack_file: str, variables: Mapping[str, str]
) -> Version:
    """Return the version of a function that a commit holds.

    Args:
        source: the commit.
        stack: the file that describes the function.
        name: the function.
        stack_file: that file, relative to the top of the repository; where it is elsewhere, as if at the top.
        variables: what `${...}` in further files stands for.

    Raises:
        SpecError: there is no such function, or the commit does not hold what it needs.
    """
    spec, base = stack.function(name), posixpath.dirname(stack_file)
    if not spec.is_built:
        raise SpecError(
            f"{name} names no 'lang' in {stack.file} line {spec.line}: there is nothing to build."
        )
    spec = replace(spec, environment={**spec.environment, **_environment(source, spec, base, variables)})
    folder, template = posixpath.normpath(posixpath.join(base, spec.handler)), load_templates()[spec.lang]
    mark = fingerprint(spec, source.tree(folder), template)
    source.check_folder(folder)
    if not source.has(posixpath.join(folder, template.handler)):
        raise SpecError(f"There is no {template.handler} in the folder {folder} of {source.commit.short}.")
    notes = stack.notes
    if stack.gateway:
        notes += (f"{stack.file} names the gateway {stack.gateway}; the cluster's own is used.",)
    return Version(source, spec, stack_file, folder, template, mark, notes)


def fingerprint(spec: FunctionSpec, tree: str, template: Template) -> str:
    """Return a text that changes when the source, the way to build it, or the way to run it does."""
    parts = [tree, template.dockerfile, sorted(spec.build_args.items()), deployment(spec, "", {})]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def origin(version: Version) -> dict[str, str]:
    """Return what the cluster keeps about where a version comes from."""
    source = version.source
    place = {REPOSITORY: source.url, REF: source.ref, FILE: version.stack_file} if source.url else {}
    return {
        FINGERPRINT: version.fingerprint,
        COMMIT: source.commit.sha,
        SUBJECT: source.commit.subject,
        AUTHOR: source.commit.author,
        **place,
    }


def deployment(spec: FunctionSpec, image: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    """Return the body that the gateway's API takes (OpenFaaS's FunctionDeployment)."""
    return {
        "service": spec.name,
        "image": image,
        "envProcess": spec.process,
        "envVars": dict(spec.environment),
        "constraints": list(spec.constraints),
        "secrets": list(spec.secrets),
        "labels": dict(spec.labels),
        "annotations": {**spec.annotations, **annotations},
        "limits": dict(spec.limits),
        "requests": dict(spec.requests),
        "readOnlyRootFilesystem": spec.read_only,
    }


def previous_deployment(running: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that deploys again what the gateway describes as running."""
    keys = (
        "image", "envProcess", "envVars", "constraints", "secrets", "labels", "annotations", "limits",
        "requests", "readOnlyRootFilesystem",
    )  # fmt: skip
    return {"service": running["name"], **{key: running[key] for key in keys if running.get(key) is not None}}


def annotation(running: Mapping[str, Any], key: str) -> str:
    """Return an annotation of a function as the gateway describes it, or an empty text."""
    return str((running.get("annotations") or {}).get(key, ""))


def is_live(running: Mapping[str, Any] | None, wanted: str) -> bool:
    """Return whether the function, as the gateway describes it, is the version `wanted` and runs."""
    if running is None or annotation(running, FINGERPRINT) != wanted:
        return False
    return bool(running["availableReplicas"] >= min(1, running["replicas"]))


def _candidates(name: str) -> tuple[str, ...]:
    return (f"{name}.yml", f"{name}.yaml", *_STACK_FILES)


def _environment(
    source: Source, spec: FunctionSpec, base: str, variables: Mapping[str, str]
) -> dict[str, str]:
    environment: dict[str, str] = {}
    for file in spec.environment_files:
        path = posixpath.normpath(posixpath.join(base, file))
        environment.update(parse_environment(source.read(path), file, variables))
    return environment
