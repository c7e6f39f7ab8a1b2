"""The versions that are kept, over an engine that keeps configs in memory."""

import base64
from dataclasses import replace

import pytest
from docker.errors import APIError
from requests import Response

from piswarm.functions import history
from piswarm.functions.history import Entry


class Configs:
    """The part of the engine that keeps configs."""

    def __init__(self):
        self.kept = {}
        self.overtake = 0

    def configs(self, filters):
        (label,) = filters["label"]
        key, _, value = label.partition("=")
        return [
            {"ID": name, "Spec": {"Data": data}}
            for name, (data, labels) in self.kept.items()
            if labels.get(key) == value
        ]

    def create_config(self, name, data, labels):
        if self.overtake:
            self.overtake -= 1
            self.kept[name] = (base64.b64encode(data), labels)
        if name in self.kept:
            response = Response()
            response.status_code = 409
            raise APIError("conflict", response=response)
        self.kept[name] = (base64.b64encode(data), labels)

    def remove_config(self, identity):
        del self.kept[identity]


def version(image, note=""):
    return Entry(
        0, "c" * 40, "subject", "Ada", "2026-01-01T00:00:00+00:00", "ada@home", image, note, {"service": "f"}
    )


def test_versions_are_numbered_and_the_newest_come_first():
    engine = Configs()
    for image in ("a", "b"):
        history.record(engine, "hello", version(image))
    history.record(engine, "other", version("z"))
    kept = history.entries(engine, "hello")
    assert [(entry.number, entry.image) for entry in kept] == [(2, "b"), (1, "a")]
    assert kept[0].deployment == {"service": "f"}


def test_only_the_newest_are_kept_and_numbers_go_on():
    engine = Configs()
    for number in range(13):
        history.record(engine, "hello", version(f"i{number}"))
    assert [entry.number for entry in history.entries(engine, "hello")] == list(range(13, 3, -1))


def test_failures_do_not_push_out_what_one_can_go_back_to():
    engine = Configs()
    history.record(engine, "hello", version("i1"))
    for _ in range(12):
        history.record(engine, "hello", replace(version(""), failure="it does not build"))
    kept = history.entries(engine, "hello")
    assert [entry.number for entry in kept] == [*range(13, 3, -1), 1]
    assert history.choose(kept, "another", 0).number == 1


def test_who_is_overtaken_takes_the_next_number():
    engine = Configs()
    engine.overtake = 1
    assert history.record(engine, "hello", version("a")).number == 2


def test_names_fit_into_the_engines_limit():
    engine = Configs()
    history.record(engine, "f" * 63, version("a"))
    assert all(len(name) <= 64 for name in engine.kept)


@pytest.mark.parametrize(
    ("live", "number", "expected"), [("b", 0, 1), ("a", 0, 3), ("x", 0, 3), ("b", 2, 2), ("b", 9, None)]
)
def test_the_version_to_go_back_to(live, number, expected):
    kept = [Entry(n, "", "", "", "", "", image) for n, image in ((3, "b"), (2, "b"), (1, "a"))]
    chosen = history.choose(kept, live, number)
    assert (chosen.number if chosen else None) == expected
