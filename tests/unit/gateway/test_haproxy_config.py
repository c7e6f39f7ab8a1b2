"""The rendered configuration, compared with golden files: `GOLDEN=write pytest ...` writes them anew."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from piswarm.gateway.function import Function, FunctionSpec
from piswarm.gateway.haproxy_config import DataPlane, Route, render, route_to

GOLDEN = Path(__file__).with_name("golden")
PLANE = DataPlane(wait_script=Path("/wait_for_replica.lua"))


@pytest.mark.parametrize(
    ("name", "routes"),
    [("starting", None), ("empty", []), ("two-functions", [Route("nodeinfo", 8), Route("echo", 4)])],
)
def test_the_configuration_is_the_golden_one(name, routes):
    golden = GOLDEN / f"{name}.cfg"
    rendered = render(routes, PLANE).text
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_the_order_of_functions_does_not_matter():
    one, two = Route("a", 4), Route("b", 4)
    assert render([one, two], PLANE) == render([two, one], PLANE)


def test_the_fingerprint_tells_different_configurations_apart_and_is_in_the_text():
    prints = {render(routes, PLANE).fingerprint for routes in (None, [], [Route("a", 4)], [Route("a", 8)])}
    assert len(prints) == 4
    configuration = render([Route("a", 4)], PLANE)
    assert f"description {configuration.fingerprint}\n" in configuration.text


@pytest.mark.parametrize(("replicas", "slots"), [(0, 4), (1, 4), (2, 4), (3, 8), (4, 8), (5, 16), (40, 128)])
def test_there_is_room_for_a_rolling_update(replicas, slots):
    function = Function(FunctionSpec("echo", "i"), replicas, 0, datetime.now(UTC))
    assert route_to(function) == Route("echo", slots)


def test_labels_set_a_functions_bounds():
    labels = {"com.piswarm.timeout": "10m", "com.piswarm.max-inflight": "8"}
    function = Function(FunctionSpec("echo", "i", labels=labels), 1, 1, datetime.now(UTC))
    assert route_to(function) == Route("echo", 4, timeout_s=600, max_in_flight=8)


def test_no_client_is_cut_off_before_the_slowest_function():
    text = render([Route("quick", 4, timeout_s=5), Route("slow", 4, timeout_s=3600)], PLANE).text
    assert "timeout client 3605s" in text


@pytest.mark.parametrize(("max_in_flight", "can"), [(1, False), (255, False), (256, True), (1000, True)])
def test_only_the_default_bound_may_be_passed_for_a_moment(max_in_flight, can):
    text = render([Route("echo", 4, max_in_flight=max_in_flight)], PLANE).text
    assert ("server woken " in text) == can
