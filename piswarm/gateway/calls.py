"""Calls of functions, as HAProxy counts them.

HAProxy counts each backend's answers by class (2xx, 5xx, ...), with no cost for a call, and begins at zero with
every new process. The ledger adds up what the processes so far have counted.
The columns of its statistics: https://docs.haproxy.org/3.0/management.html#9.1
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "function:"
"""A function's backend is named after it."""
CONTROLLER = "controller"
"""The controller's backend."""
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


@dataclass(frozen=True)
class Calls:
    """The calls of one function.

    Attributes:
        answers: how many answers of each class there have been, `1xx` to `5xx`.
        under_way: calls that a replica is working on.
        queued: calls that wait for a replica.
        latency_ms: milliseconds from call to answer, the mean of the last 1024.
    """

    answers: Mapping[str, int]
    under_way: int = 0
    queued: int = 0
    latency_ms: int = 0

    @property
    def answered(self) -> int:
        """Return how many answers there have been."""
        return sum(self.answers.values())

    def plus(self, answers: Mapping[str, int]) -> Calls:
        """Return these calls with earlier answers added."""
        total = {key: self.answers[key] + answers.get(key, 0) for key in CLASSES}
        return Calls(total, self.under_way, self.queued, self.latency_ms)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Calls:
        """Return the calls that `to_json` wrote down."""
        answers = {key: int(document["answers"].get(key, 0)) for key in CLASSES}
        return cls(answers, int(document["underWay"]), int(document["queued"]), int(document["latencyMs"]))

    def to_json(self) -> dict[str, object]:
        """Return the figures for the page and for other clients that ask for more than the contract has."""
        return {
            "answers": dict(self.answers),
            "underWay": self.under_way,
            "queued": self.queued,
            "latencyMs": self.latency_ms,
        }


NONE = Calls(dict.fromkeys(CLASSES, 0))


def add_up(shares: Iterable[Mapping[str, Calls]]) -> dict[str, Calls]:
    """Return the calls of all gateways, by function, from those of each; the latency is their answers' mean."""
    total: dict[str, Calls] = {}
    for share in shares:
        for name, one in share.items():
            total[name] = _sum(total[name], one) if name in total else one
    return total


def _sum(one: Calls, other: Calls) -> Calls:
    weighed_ms = one.latency_ms * one.answered + other.latency_ms * other.answered
    return Calls(
        answers={key: one.answers[key] + other.answers[key] for key in CLASSES},
        under_way=one.under_way + other.under_way,
        queued=one.queued + other.queued,
        latency_ms=round(weighed_ms / ((one.answered + other.answered) or 1)),
    )


Answers = dict[str, dict[str, int]]
"""Answers by class, by function."""


def read_calls(statistics: str) -> dict[str, Calls]:
    """Return each function's calls from HAProxy's statistics (`show stat`)."""
    return {
        row["pxname"].removeprefix(PREFIX): Calls(
            answers={key: int(row[f"hrsp_{key}"] or 0) for key in CLASSES},
            under_way=max(0, int(row["scur"] or 0) - int(row["qcur"] or 0)),
            queued=int(row["qcur"] or 0),
            latency_ms=int(row["ttime"] or 0),
        )
        for row in _backends(statistics, PREFIX)
    }


def under_way(statistics: str, prefix: str) -> int:
    """Return how many requests the backends whose names begin with `prefix` have not answered yet."""
    return sum(int(row["scur"] or 0) for row in _backends(statistics, prefix))


def _backends(statistics: str, prefix: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(statistics.removeprefix("# ")))
    return [row for row in rows if row["pxname"].startswith(prefix) and row["svname"] == "BACKEND"]


class Ledger:
    """Adds up answers over HAProxy's processes.

    Args:
        earlier: what processes before have counted.
    """

    def __init__(self, earlier: Answers | None = None) -> None:
        self._earlier: Answers = earlier or {}
        self._process = ""
        self._latest: dict[str, Calls] = {}

    def note(self, process: str, calls: Mapping[str, Calls]) -> dict[str, Calls]:
        """Take down what a process has counted so far; return the totals.

        Args:
            process: what tells the process from others.
            calls: its calls by function.
        """
        if process != self._process:
            self._close()
            self._process = process
        self._latest = dict(calls)
        return {name: one.plus(self._earlier.get(name, {})) for name, one in calls.items()}

    def closed(self) -> Answers:
        """Return all answers so far, for a ledger that begins where this one ends."""
        totals = {name: dict(answers) for name, answers in self._earlier.items()}
        for name, one in self._latest.items():
            totals[name] = dict(one.plus(totals.get(name, {})).answers)
        return totals

    def _close(self) -> None:
        self._earlier = self.closed()
        self._latest = {}
