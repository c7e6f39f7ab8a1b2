"""Keeps the tallies of all functions' calls, from what HAProxy counts and what it tells of single calls."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from piswarm.gateway.calls import Calls
from piswarm.gateway.files import replace_file
from piswarm.gateway.haproxy import Proxy
from piswarm.gateway.tally import Tallies, Tally


class Ear(Protocol):
    """What hears of single calls."""

    def take(self) -> Mapping[str, Tally]:
        """Return what was heard since the last time, by function."""


class Tallier:
    """Tells how the calls of each function ended.

    Args:
        proxy: counts all calls.
        ear: hears of single ones.
        file: carries the tallies over a restart.
    """

    def __init__(self, proxy: Proxy, ear: Ear, file: Path) -> None:
        self._proxy = proxy
        self._ear = ear
        self._file = file
        self._tallies = Tallies.from_json(json.loads(file.read_text()) if file.exists() else {})
        self._one_at_a_time = threading.Lock()

    def now(self) -> tuple[dict[str, Calls], dict[str, Tally]]:
        """Return the calls through this gateway and how they ended, by function.

        Raises:
            DataPlaneError: HAProxy does not tell.
        """
        with self._one_at_a_time:
            calls = self._proxy.calls()
            return calls, self._tallies.note(calls, self._ear.take())

    def save(self) -> None:
        """Write the tallies down for the controller that comes next."""
        with self._one_at_a_time:
            replace_file(self._file, json.dumps(self._tallies.to_json()))
