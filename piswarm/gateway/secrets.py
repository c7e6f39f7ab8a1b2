"""Secrets of functions: what clients send, and how they are named in the Swarm.

A Swarm secret cannot be changed, so each value is a Swarm secret of its own, labelled with the name that functions
know; the newest is the one that counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from piswarm.gateway.faults import BadRequest

NAME_LABEL = "com.piswarm.secret"
MAX_BYTES = 500 * 1024
"""Swarm's own limit: https://docs.docker.com/engine/swarm/secrets/"""
NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,48}[a-zA-Z0-9])?")


def parse_secret_name(document: Mapping[str, Any]) -> str:
    """Return the name in a secret's document.

    Raises:
        BadRequest: it cannot be a secret's name.
    """
    name = document.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadRequest(f"The secret's name must be 1 to 50 letters, digits, '-', '_' or '.', not {name!r}.")
    return name


def parse_secret_value(document: Mapping[str, Any]) -> bytes:
    """Return the value in a secret's document: text in `value`, or base64 in `rawValue`.

    Raises:
        BadRequest: there is none, or it is longer than Swarm allows.
    """
    value = _raw(document["rawValue"]) if document.get("rawValue") else _text(document.get("value"))
    if not 0 < len(value) <= MAX_BYTES:
        raise BadRequest(f"A secret's value has 1 to {MAX_BYTES} bytes, not {len(value)}.")
    return value


def swarm_name(name: str, generation: str) -> str:
    """Return the Swarm's name for one value of the secret `name`.

    Args:
        name: the name that functions know.
        generation: anything that tells this value from the ones before it.
    """
    return f"{name}.{hashlib.sha256(generation.encode()).hexdigest()[:12]}"


def known_name(secret: Mapping[str, Any]) -> str:
    """Return the name that functions know a Swarm secret by; one made by hand is known by its own."""
    spec = secret["Spec"]
    return str(spec.get("Labels", {}).get(NAME_LABEL) or spec["Name"])


def _raw(encoded: object) -> bytes:
    try:
        return base64.b64decode(str(encoded), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadRequest("The secret's rawValue is not base64.") from exc


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise BadRequest("The secret's value is missing.")
    return value.encode()
