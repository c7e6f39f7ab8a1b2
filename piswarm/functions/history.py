"""The versions of a function that were live or failed on the way, kept in the Swarm's own store.

Each is a Swarm config (https://docs.docker.com/engine/swarm/configs/): replicated to every manager, gone with
the cluster, and needing no disk or database of its own. No secret is in it: functions name their secrets.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from docker.errors import APIError

if TYPE_CHECKING:
    from piswarm.cluster.engine import Engine

KEPT = 10
_LABEL = "piswarm.history"
_CONFLICT = 409
_ATTEMPTS = 5


@dataclass(frozen=True)
class Entry:
    """A version that was live, or that was pushed and did not get there.

    Attributes:
        number: counts up from 1 for each function.
        commit: full name of the commit.
        subject: first line of the commit's message.
        author: who wrote the commit.
        at: when it went live or failed, in ISO 8601.
        by: who put it live.
        image: the image, by digest; empty when it failed.
        note: how it came, if not by a deploy.
        deployment: the body that deploys it again; empty when it failed.
        failure: why it did not go live; empty when it did.
    """

    number: int
    commit: str
    subject: str
    author: str
    at: str
    by: str
    image: str
    note: str = ""
    deployment: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""


def entries(engine: Engine, function: str) -> list[Entry]:
    """Return the kept versions of a function, the newest first."""
    return [entry for _, entry in _read(engine, function)]


def record(engine: Engine, function: str, entry: Entry) -> Entry:
    """Keep a version, under the next number, and forget all but the newest.

    Failures are counted by themselves: they do not push out what one can go back to.

    Args:
        engine: a manager's engine.
        function: the function's name.
        entry: the version; its number is ignored.

    Returns:
        The version with its number.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        kept = _read(engine, function)
        number = kept[0][1].number + 1 if kept else 1
        numbered = Entry(**{**asdict(entry), "number": number})
        try:
            engine.create_config(
                name=_name(function, number),
                data=json.dumps(asdict(numbered)).encode(),
                labels={_LABEL: function},
            )
        except APIError as error:
            if error.status_code != _CONFLICT or attempt == _ATTEMPTS:
                raise
            continue
        alike = [identity for identity, one in kept if bool(one.failure) == bool(entry.failure)]
        for identity in alike[KEPT - 1 :]:
            engine.remove_config(identity)
        break
    return numbered


def forget(engine: Engine, function: str) -> None:
    """Forget every version of a function."""
    for identity, _ in _read(engine, function):
        engine.remove_config(identity)


def choose(kept: Sequence[Entry], live: str, number: int) -> Entry | None:
    """Return the version to go back to.

    Args:
        kept: the kept versions, the newest first.
        live: the image that is live.
        number: the version's number; 0 for the newest that has another image than the one that is live.
    """
    if number:
        return next((entry for entry in kept if entry.number == number), None)
    return next((entry for entry in kept if not entry.failure and entry.image != live), None)


def _read(engine: Engine, function: str) -> list[tuple[str, Entry]]:
    found = []
    for config in engine.configs(filters={"label": [f"{_LABEL}={function}"]}):
        document = json.loads(base64.b64decode(config["Spec"]["Data"]))
        known = {key: document[key] for key in Entry.__dataclass_fields__ if key in document}
        found.append((str(config["ID"]), Entry(**known)))
    return sorted(found, key=lambda pair: pair[1].number, reverse=True)


def _name(function: str, number: int) -> str:
    """Return the config's name: at most 64 characters, which a function's name alone may fill."""
    return f"piswarm-history-{hashlib.sha256(function.encode()).hexdigest()[:16]}-{number}"
