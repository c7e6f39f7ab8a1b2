"""A function's file in OpenFaaS's stack format: text in, checked data out.

The format: https://docs.openfaas.com/reference/yaml/ . Every fault is gathered, each with its line. Scalars
keep the text that stands in the file (`1.0` stays `1.0`, `yes` stays `yes`), as environment variables and
labels need it, and `${VARIABLE:-default}` is replaced inside them.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from piswarm.errors import SpecError

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""Swarm allows 63 characters for a service's name; the pattern is the one of OpenFaaS."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}")
_TOP_KEYS = ("version", "provider", "functions", "configuration")
_PROVIDER_KEYS = ("name", "gateway", "network")
_AMOUNT_KEYS = ("memory", "cpu")
_FUNCTION_KEYS = (
    "lang", "handler", "image", "fprocess", "environment", "environment_file", "secrets", "labels",
    "annotations", "limits", "requests", "constraints", "build_args", "readonly_root_filesystem", "skip_build",
    "repo", "ref",
)  # fmt: skip
_WITHOUT_EFFECT = {
    "namespace": "there is one namespace",
    "build_options": "name the packages in the build argument ADDITIONAL_PACKAGE",
    "platforms": "images are built for the nodes that the cluster has",
    "copy": "only the handler's folder is built",
}


@dataclass(frozen=True)
class FunctionSpec:
    """A function as its file describes it.

    Attributes:
        name: the function's name.
        lang: the language as the file names it; empty when nothing is built.
        handler: the folder of its source, relative to the file.
        image: the image that the file names.
        process: the program run for each request (`fprocess`).
        environment: environment variables.
        environment_files: files with more of them, relative to the function's file.
        secrets: names of secrets to mount.
        labels: labels for the service.
        annotations: annotations for the service.
        limits: upper bounds, `memory` and `cpu`.
        requests: reservations, `memory` and `cpu`.
        constraints: placement constraints.
        build_args: build arguments.
        read_only: whether the root file system is read-only.
        repo: address of the git repository that holds the source; empty for the one that holds the file.
        ref: branch, tag or commit of that repository; empty for its default branch.
        line: line of the file where it begins.
    """

    name: str
    lang: str = ""
    handler: str = ""
    image: str = ""
    process: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    repo: str = ""
    ref: str = ""
    line: int = 0

    @property
    def is_built(self) -> bool:
        """Return whether an image is built, and not just taken as the file names it."""
        return bool(self.lang)


@dataclass(frozen=True)
class Stack:
    """What a file holds.

    Attributes:
        file: its name, for messages.
        functions: its functions by name.
        gateway: the gateway that the file names, if any.
        notes: what stands in the file and has no effect here.
    """

    file: str
    functions: Mapping[str, FunctionSpec]
    gateway: str = ""
    notes: tuple[str, ...] = ()

    def function(self, name: str) -> FunctionSpec:
        """Return the function `name`.

        Raises:
            SpecError: the file has none of this name.
        """
        if name in self.functions:
            return self.functions[name]
        known = ", ".join(self.functions)
        raise SpecError(
            f"{self.file} has no function '{name}'{did_you_mean(name, self.functions)}.",
            f"Its functions: {known}.",
        )


def check_name(name: str) -> None:
    """Check that a function can have this name.

    Raises:
        SpecError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise SpecError(
            f"'{name}' cannot be the name of a function.",
            "Use lower-case letters, digits and inner hyphens, 63 at most: for example 'hello-world'.",
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the known word that is nearest to `word`, or an empty text."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def parse_stack(text: str, file: str, variables: Mapping[str, str], languages: Iterable[str]) -> Stack:
    """Read a file in OpenFaaS's stack format.

    Args:
        text: its content.
        file: its name, for messages.
        variables: what `${...}` stands for: the environment.
        languages: every name that `lang` may have.

    Raises:
        SpecError: it cannot be used; the message names every fault with its line.
    """
    loader, root = _compose(text, file)
    reader = _Reader(loader, variables, frozenset(languages))
    stack = reader.stack(root, file)
    reader.raise_faults(file)
    return stack


def parse_environment(text: str, file: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Read a file that `environment_file` names: variables below the key `environment`.

    Raises:
        SpecError: it cannot be used; the message names every fault with its line.
    """
    loader, root = _compose(text, file)
    reader = _Reader(loader, variables, frozenset())
    environment = reader.environment(root)
    reader.raise_faults(file)
    return environment


def _compose(text: str, file: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    try:
        loader = yaml.SafeLoader(text)
        return loader, loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{file} line {line}: this is not YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{file} is not YAML: {' '.join(str(error).split())}.") from error


class _Reader:
    """Walks through the nodes of a document and collects faults and notes."""

    def __init__(
        self, loader: yaml.SafeLoader, variables: Mapping[str, str], languages: frozenset[str]
    ) -> None:
        self._loader = loader
        self._variables = variables
        self._languages = languages
        self.faults: list[tuple[int, str]] = []
        self._notes: list[str] = []

    def raise_faults(self, file: str) -> None:
        if self.faults:
            faults = "; ".join(f"line {line}: {fault}" for line, fault in sorted(self.faults))
            raise SpecError(f"{file} {faults}.", "The format: https://docs.openfaas.com/reference/yaml/")

    def environment(self, root: yaml.Node | None) -> dict[str, str]:
        top = dict(self._entries(root, "the file", ("environment",)))
        return self._texts_by_name(top.get("environment"), "environment")

    def stack(self, root: yaml.Node | None, file: str) -> Stack:
        top = dict(self._entries(root, "the file", _TOP_KEYS))
        provider = dict(self._entries(top.get("provider"), "provider", _PROVIDER_KEYS))
        functions = {
            name: self._function(name, node)
            for name, node in self._entries(top.get("functions"), "functions")
        }
        if not functions and not self.faults:
            self._fault(root, "there are no functions")
        gateway = self._text(provider.get("gateway"), "gateway")
        return Stack(file, functions, gateway, tuple(self._notes))

    def _function(self, name: str, node: yaml.Node) -> FunctionSpec:
        if not NAME.fullmatch(name):
            self._fault(
                node,
                f"'{name}' is not 1 to 63 lower-case letters, digits and inner hyphens, as a name must be",
            )
        known = (*_FUNCTION_KEYS, *_WITHOUT_EFFECT)
        keys = dict(self._entries(node, f"function {name}", known))
        for key in keys.keys() & _WITHOUT_EFFECT.keys():
            self._notes.append(f"'{key}' of {name} has no effect: {_WITHOUT_EFFECT[key]}.")
        return FunctionSpec(
            name=name,
            lang=self._language(keys, node),
            handler=self._folder(keys, node),
            image=self._text(keys.get("image"), "image"),
            process=self._text(keys.get("fprocess"), "fprocess"),
            environment=self._texts_by_name(keys.get("environment"), "environment"),
            environment_files=self._texts(keys.get("environment_file"), "environment_file"),
            secrets=self._texts(keys.get("secrets"), "secrets"),
            labels=self._texts_by_name(keys.get("labels"), "labels"),
            annotations=self._texts_by_name(keys.get("annotations"), "annotations"),
            limits=self._texts_by_name(keys.get("limits"), "limits", _AMOUNT_KEYS),
            requests=self._texts_by_name(keys.get("requests"), "requests", _AMOUNT_KEYS),
            constraints=self._texts(keys.get("constraints"), "constraints"),
            build_args=self._texts_by_name(keys.get("build_args"), "build_args"),
            read_only=self._flag(keys.get("readonly_root_filesystem"), "readonly_root_filesystem"),
            repo=self._text(keys.get("repo"), "repo"),
            ref=self._text(keys.get("ref"), "ref"),
            line=_line(node),
        )

    def _language(self, keys: Mapping[str, yaml.Node], node: yaml.Node) -> str:
        if self._flag(keys.get("skip_build"), "skip_build") or "lang" not in keys:
            if "image" not in keys:
                self._fault(node, "neither 'lang' (to build) nor 'image' (to take as it is) is given")
            return ""
        lang = self._text(keys["lang"], "lang").lower()
        if lang and lang not in self._languages:
            near = did_you_mean(lang, self._languages)
            self._fault(keys["lang"], f"there is no language '{lang}'{near}")
        return lang

    def _folder(self, keys: Mapping[str, yaml.Node], node: yaml.Node) -> str:
        if "lang" not in keys:
            return ""
        if "handler" not in keys:
            self._fault(node, "'handler', the folder of the source, is missing")
            return ""
        folder = posixpath.normpath(self._text(keys["handler"], "handler") or ".")
        if folder.startswith("/"):
            self._fault(keys["handler"], f"the handler '{folder}' is not relative to this file")
        return folder

    def _entries(
        self, node: yaml.Node | None, where: str, known: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Yield the keys and values of a mapping; name keys that are repeated or, with `known`, unknown."""
        if node is None or _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, f"{where} is not a mapping of keys to values")
            return
        self._loader.flatten_mapping(node)
        seen: set[str] = set()
        for key_node, value in node.value:
            key = str(key_node.value)
            if key in seen:
                self._fault(key_node, f"'{key}' stands twice in {where}")
            elif known and key not in known and not key.startswith("x-"):
                self._fault(key_node, f"unknown key '{key}' in {where}{did_you_mean(key, known)}")
            else:
                seen.add(key)
                yield key, value

    def _text(self, node: yaml.Node | None, where: str) -> str:
        if node is None or _is_null(node):
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self._fault(node, f"{where} is not a text")
            return ""
        return _VARIABLE.sub(self._replacement, node.value)

    def _replacement(self, match: re.Match[str]) -> str:
        return self._variables.get(match[1]) or match[2] or ""

    def _texts(self, node: yaml.Node | None, where: str) -> tuple[str, ...]:
        if node is None or _is_null(node):
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self._fault(node, f"{where} is not a list")
            return ()
        return tuple(self._text(item, f"an entry of {where}") for item in node.value)

    def _texts_by_name(
        self, node: yaml.Node | None, where: str, known: tuple[str, ...] = ()
    ) -> dict[str, str]:
        return {key: self._text(value, f"{where}.{key}") for key, value in self._entries(node, where, known)}

    def _flag(self, node: yaml.Node | None, where: str) -> bool:
        text = self._text(node, where).lower()
        if text not in {"", "true", "false"} and node is not None:
            self._fault(node, f"{where} is neither true nor false")
        return text == "true"

    def _fault(self, node: yaml.Node | None, fault: str) -> None:
        self.faults.append((_line(node), fault))


def _line(node: yaml.Node | None) -> int:
    return int(node.start_mark.line) + 1 if node is not None else 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
