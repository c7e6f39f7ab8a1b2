"""How calls ended: their exact status and how long they took, as far as HAProxy's log told.

The log tells of every call while there are few, and of a part of them while there are many. The statistics count
all of them by class of status (`piswarm.gateway.calls`), so what the log left out is known by number: it is taken
to have ended like the calls of its class that the log did tell of.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from piswarm.gateway.calls import Calls

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds, those that OpenFaaS's dashboards expect; one bucket more takes all that is longer."""

_Kind = tuple[int, int]
"""Status and bucket of a call."""


class Tally:
    """How the calls of one function ended.

    Args:
        calls: how many there were of each status and bucket.
        seconds: how long all of them took together.
    """

    def __init__(self, calls: Mapping[_Kind, int] | None = None, seconds: float = 0.0) -> None:
        self._calls = Counter(calls or {})
        self._seconds = seconds

    def add(self, status: int, seconds: float, count: int = 1) -> None:
        """Take down `count` calls that ended with `status` after `seconds` each."""
        self._calls[status, bisect.bisect_left(BUCKETS_S, seconds)] += count
        self._seconds += seconds * count

    def add_all(self, other: Tally) -> None:
        """Take down all calls of another tally."""
        self._calls.update(other._calls)
        self._seconds += other._seconds

    @property
    def total(self) -> int:
        """Return how many calls there are."""
        return self._calls.total()

    @property
    def seconds(self) -> float:
        """Return how long all calls took together."""
        return self._seconds

    @property
    def statuses(self) -> dict[int, int]:
        """Return how many calls ended with each status."""
        counts: Counter[int] = Counter()
        for (status, _), count in self._calls.items():
            counts[status] += count
        return dict(sorted(counts.items()))

    @property
    def buckets(self) -> list[int]:
        """Return how many calls took up to each bound of `BUCKETS_S`; the last count is that of all calls."""
        counts = [0] * (len(BUCKETS_S) + 1)
        for (_, bucket), count in self._calls.items():
            counts[bucket] += count
        return [sum(counts[: end + 1]) for end in range(len(counts))]

    def part(self, first_digit: int) -> Tally:
        """Return the calls of one class of status; each of them took as long as all of them did in the mean."""
        calls = {kind: count for kind, count in self._calls.items() if kind[0] // 100 == first_digit}
        return Tally(calls, self._seconds * sum(calls.values()) / (self.total or 1))

    def scaled_to(self, total: int) -> Tally:
        """Return a tally of `total` calls that ended like these, in shares as equal as whole calls allow."""
        exact = {kind: count * total / self.total for kind, count in self._calls.items()}
        calls = {kind: int(share) for kind, share in exact.items()}
        by_remainder = sorted(exact, key=lambda kind: calls[kind] - exact[kind])
        for kind in by_remainder[: total - sum(calls.values())]:
            calls[kind] += 1
        return Tally(calls, self._seconds * total / self.total)

    def to_json(self) -> dict[str, Any]:
        """Return the tally for a file."""
        return {"calls": [[*kind, count] for kind, count in self._calls.items()], "seconds": self._seconds}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Tally:
        """Return the tally that `to_json` wrote down."""
        calls = {(status, bucket): count for status, bucket, count in document["calls"]}
        return cls(calls, document["seconds"])


class Tallies:
    """The tallies of all functions, which only ever grow.

    Args:
        earlier: what was counted before, by function.
    """

    def __init__(self, earlier: Mapping[str, Tally] | None = None) -> None:
        self._tallies = dict(earlier or {})

    def note(self, counted: Mapping[str, Calls], heard: Mapping[str, Tally]) -> dict[str, Tally]:
        """Take down what was heard since the last time; return the tallies of the functions that were counted.

        Args:
            counted: all calls so far, by function, counted before the last one of `heard` was heard.
            heard: what the log told of since the last time, by function.
        """
        for name, calls in counted.items():
            news = heard.get(name, Tally())
            tally = self._tallies.setdefault(name, Tally())
            tally.add_all(news)
            for name_of_class, count in calls.answers.items():
                _fill_up(tally, int(name_of_class[0]), count, news, calls.latency_ms / 1000)
        return {name: self._tallies[name] for name in counted}

    def to_json(self) -> dict[str, Any]:
        """Return the tallies for a file."""
        return {name: tally.to_json() for name, tally in self._tallies.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Tallies:
        """Return the tallies that `to_json` wrote down."""
        return cls({name: Tally.from_json(one) for name, one in document.items()})


def _fill_up(tally: Tally, first_digit: int, count: int, news: Tally, usual_s: float) -> None:
    """Add calls of a class that the log left out, until there are `count`; the newest tell best how they ended."""
    so_far = tally.part(first_digit)
    unheard = count - so_far.total
    if unheard <= 0:
        return
    like = _first_with_calls((news.part(first_digit), so_far))
    if like:
        tally.add_all(like.scaled_to(unheard))
    else:
        tally.add(first_digit * 100, usual_s, unheard)


def _first_with_calls(tallies: Iterable[Tally]) -> Tally | None:
    return next((tally for tally in tallies if tally.total), None)
