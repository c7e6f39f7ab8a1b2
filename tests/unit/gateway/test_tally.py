"""How calls ended: what the log told, and what it left out."""

import pytest

from piswarm.gateway.calls import CLASSES, Calls
from piswarm.gateway.tally import Tallies, Tally


def counted(latency_ms=0, **answers):
    return {"echo": Calls({key: answers.get(f"a{key}", 0) for key in CLASSES}, latency_ms=latency_ms)}


def heard(*calls):
    tally = Tally()
    for status, seconds, *count in calls:
        tally.add(status, seconds, *count)
    return {"echo": tally}


def test_calls_are_kept_by_status_and_by_bucket():
    tally = heard((200, 0.004), (200, 0.005), (204, 0.3, 2), (500, 60))["echo"]
    assert tally.statuses == {200: 2, 204: 2, 500: 1}
    assert tally.buckets == [2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 5]
    assert tally.seconds == pytest.approx(60.609)


def test_what_the_log_tells_is_taken_as_it_is():
    tallies = Tallies()
    tallies.note(counted(a2xx=2, a4xx=1), heard((200, 0.01), (204, 0.01), (404, 0.01)))
    tally = tallies.note(counted(a2xx=2, a4xx=2), heard((400, 0.01)))["echo"]
    assert tally.statuses == {200: 1, 204: 1, 400: 1, 404: 1}


def test_calls_that_the_log_left_out_ended_like_those_of_their_class_that_it_told_of():
    tally = Tallies().note(
        counted(a2xx=300, a5xx=2), heard((200, 0.01, 2), (204, 0.2, 1), (500, 7), (503, 7))
    )["echo"]
    assert tally.statuses == {200: 200, 204: 100, 500: 1, 503: 1}
    assert tally.buckets[1] == 200
    assert tally.total == tally.buckets[-1] == 302


def test_when_nothing_new_was_heard_they_ended_like_the_earlier_ones():
    tallies = Tallies()
    tallies.note(counted(a4xx=1), heard((404, 0.02)))
    tally = tallies.note(counted(a4xx=4), {})["echo"]
    assert tally.statuses == {404: 4}
    assert tally.seconds == pytest.approx(0.08)


def test_when_nothing_was_ever_heard_the_class_and_the_usual_duration_are_all_that_is_known():
    tally = Tallies().note(counted(latency_ms=30, a2xx=3), {})["echo"]
    assert tally.statuses == {200: 3}
    assert tally.buckets[2:4] == [0, 3]


def test_calls_that_end_while_they_are_counted_are_not_counted_twice():
    tallies = Tallies()
    assert tallies.note(counted(a2xx=1), heard((200, 0.01, 2)))["echo"].total == 2
    assert tallies.note(counted(a2xx=3), heard((200, 0.01)))["echo"].total == 3


def test_shares_are_whole_calls_and_none_is_lost():
    tally = heard((200, 0.01), (201, 0.01), (202, 0.01))["echo"]
    assert sorted(tally.scaled_to(100).statuses.values()) == [33, 33, 34]


def test_functions_that_are_gone_are_not_told_and_not_forgotten():
    tallies = Tallies()
    tallies.note(counted(a2xx=1), heard((201, 0.01)))
    assert tallies.note({}, {}) == {}
    assert tallies.note(counted(a2xx=1), {})["echo"].statuses == {201: 1}


def test_what_is_written_down_is_read_again():
    tallies = Tallies()
    tallies.note(counted(a2xx=2), heard((201, 0.01), (204, 3)))
    again = Tallies.from_json(tallies.to_json())
    assert again.to_json() == tallies.to_json()
    assert again.note(counted(a2xx=3), heard((204, 3)))["echo"].statuses == {201: 1, 204: 2}
