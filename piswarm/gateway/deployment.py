"""Reading what a client sends: FunctionDeployment and its smaller brothers.

Every fault of a document is gathered before it is refused, so that one answer names them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from piswarm.gateway.faults import BadRequest
from piswarm.gateway.function import (
    LABEL,
    MAX_IN_FLIGHT,
    NAMESPACE,
    SCALE_MAX,
    SCALE_MIN,
    TIMEOUT,
    FunctionSpec,
    Resources,
)
from piswarm.gateway.quantities import parse_cpu, parse_memory, parse_seconds

# Swarm allows 63 characters for a service's name; the pattern is the one that OpenFaaS's page checks.
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ENVIRONMENT_NAME = re.compile(r"[^=\0]+")
# As Swarm itself reads it: swarmkit, manager/constraint/constraint.go.
_CONSTRAINT = re.compile(r"\s*[a-z_][a-z0-9\-_.]+\s*(==|!=)\s*[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+", re.IGNORECASE)
_OWN_LABELS = frozenset({LABEL, "function"})
MIN_MEMORY_BYTES = 6 * 2**20
"""The engine starts no container with less: https://docs.docker.com/engine/containers/resource_constraints/"""
MAX_REPLICAS = 1000
MAX_TIMEOUT_S = 24 * 3600


def parse_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`.

    Raises:
        BadRequest: it is something else.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f"The body is not JSON: {exc}.") from exc
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object.")
    return document


def without_namespace(name: str) -> str:
    """Return `name` without the namespace that newer clients append."""
    return name.removesuffix(f".{NAMESPACE}")


def parse_deployment(document: Mapping[str, Any]) -> FunctionSpec:
    """Return the function that a FunctionDeployment asks for.

    `namespace` and `network` are accepted and have no effect: there is one of each.

    Raises:
        BadRequest: something in it cannot be; the message names every fault.
    """
    reader = _Reader(document)
    spec = FunctionSpec(
        name=reader.name("service"),
        image=reader.image(),
        process=reader.text("envProcess"),
        environment=reader.text_map("envVars", _ENVIRONMENT_NAME),
        constraints=reader.constraints(),
        secrets=reader.text_list("secrets"),
        labels=reader.labels(),
        annotations=reader.text_map("annotations"),
        limits=reader.resources("limits"),
        requests=reader.resources("requests"),
        read_only=reader.flag("readOnlyRootFilesystem"),
    )
    if document.get("registryAuth"):
        reader.faults.append("registryAuth is not supported: the cluster's own registry needs none")
    reader.raise_faults("Deployment error")
    return spec


def parse_name(document: Mapping[str, Any], field: str) -> str:
    """Return the function's name that `field` of a delete or scale request holds.

    Raises:
        BadRequest: there is none.
    """
    name = document.get(field)
    if not isinstance(name, str) or not name:
        raise BadRequest(f"{field} is missing.")
    return without_namespace(name)


def parse_replicas(document: Mapping[str, Any]) -> int:
    """Return the number of replicas that a scale request asks for.

    Raises:
        BadRequest: it is not a whole number within bounds.
    """
    replicas = document.get("replicas")
    if isinstance(replicas, bool) or not isinstance(replicas, int) or not 0 <= replicas <= MAX_REPLICAS:
        raise BadRequest(f"replicas must be a whole number from 0 to {MAX_REPLICAS}, not {replicas!r}.")
    return replicas


class _Reader:
    """Reads fields of one document and collects what is wrong with them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.faults: list[str] = []

    def raise_faults(self, prefix: str) -> None:
        if self.faults:
            raise BadRequest(f"{prefix}: {'; '.join(self.faults)}.")

    def name(self, field: str) -> str:
        name = without_namespace(self.text(field))
        if not NAME.fullmatch(name):
            self.faults.append(
                f"{field} '{name}' is not 1 to 63 lower-case letters, digits and inner hyphens"
            )
        return name

    def image(self) -> str:
        image = self.text("image")
        if not image or any(character.isspace() for character in image):
            self.faults.append(f"image '{image}' is not an image reference")
        return image

    def text(self, field: str) -> str:
        value = self._document.get(field)
        if value is None:
            return ""
        if not isinstance(value, str) or "\0" in value:
            self.faults.append(f"{field} is not text")
            return ""
        return value

    def flag(self, field: str) -> bool:
        value = self._document.get(field)
        if value is not None and not isinstance(value, bool):
            self.faults.append(f"{field} is neither true nor false")
        return value is True

    def text_list(self, field: str) -> tuple[str, ...]:
        value = self._document.get(field)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.faults.append(f"{field} is not a list of texts")
            return ()
        return tuple(value)

    def text_map(self, field: str, keys: re.Pattern[str] = re.compile(r"[^\0]+")) -> dict[str, str]:
        value = self._document.get(field)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            self.faults.append(f"{field} is not an object of texts")
            return {}
        self.faults.extend(
            f"{field} has the impossible name '{key}'" for key in value if not keys.fullmatch(key)
        )
        return value

    def constraints(self) -> tuple[str, ...]:
        constraints = self.text_list("constraints")
        self.faults.extend(
            f"constraint '{text}' is not like node.role==worker or node.labels.a!=b"
            for text in constraints
            if not _CONSTRAINT.fullmatch(text)
        )
        return constraints

    def labels(self) -> dict[str, str]:
        labels = {key: value for key, value in self.text_map("labels").items() if key not in _OWN_LABELS}
        for label, (is_meant, meaning) in _NUMERIC_LABELS.items():
            if label in labels and not is_meant(labels[label]):
                self.faults.append(f"label {label} must be {meaning}, not '{labels[label]}'")
        return labels

    def resources(self, field: str) -> Resources:
        amounts = self.text_map(field)
        return Resources(
            memory_bytes=self._amount(
                f"{field}.memory", amounts.get("memory"), parse_memory, MIN_MEMORY_BYTES
            ),
            nano_cpus=self._amount(f"{field}.cpu", amounts.get("cpu"), parse_cpu, 1),
        )

    def _amount(self, field: str, text: str | None, parse: Callable[[str], int], least: int) -> int | None:
        if not text:
            return None
        try:
            amount = parse(text)
        except ValueError as exc:
            self.faults.append(f"{field}: {exc}")
            return None
        if amount < least:
            self.faults.append(f"{field}: '{text}' is too little")
        return amount


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= MAX_REPLICAS


def _is_positive_count(text: str) -> bool:
    return _is_count(text) and int(text) > 0


def _is_duration(text: str) -> bool:
    try:
        return parse_seconds(text) <= MAX_TIMEOUT_S
    except ValueError:
        return False


_NUMERIC_LABELS: dict[str, tuple[Callable[[str], bool], str]] = {
    SCALE_MIN: (_is_count, f"a whole number up to {MAX_REPLICAS}"),
    SCALE_MAX: (_is_count, f"a whole number up to {MAX_REPLICAS}"),
    MAX_IN_FLIGHT: (_is_positive_count, f"a whole number from 1 to {MAX_REPLICAS}"),
    TIMEOUT: (_is_duration, "a duration such as 90s, 24h at most"),
}
