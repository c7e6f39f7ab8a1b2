import pytest
from hypothesis import given
from hypothesis import strategies as st

from piswarm.gateway.quantities import format_cpu, format_memory, parse_cpu, parse_memory, parse_seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("64m", 64 * 2**20),
        ("64Mi", 64 * 2**20),
        ("64MB", 64 * 2**20),
        ("1.5g", 3 * 2**29),
        ("8388608", 2**23),
    ],
)
def test_memory_is_counted_as_docker_counts_it(text, count):
    assert parse_memory(text) == count


@pytest.mark.parametrize(
    ("text", "nano"), [("100m", 10**8), ("1", 10**9), ("0.5", 5 * 10**8), ("2.25", 2_250_000_000)]
)
def test_a_cpu_is_a_cpu_and_a_thousandth_is_a_thousandth(text, nano):
    assert parse_cpu(text) == nano


@pytest.mark.parametrize("text", ["", "lots", "-1", "1e3", "64 apples", "64Mii", "1m5"])
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError, match="is not an amount of memory"):
        parse_memory(text)
    with pytest.raises(ValueError, match="is not an amount of CPU"):
        parse_cpu(text)


@given(st.integers(min_value=1, max_value=2**50))
def test_memory_survives_being_written(count):
    assert parse_memory(format_memory(count)) == count


@given(st.integers(min_value=1, max_value=1000 * 10**9))
def test_cpu_survives_being_written(nano):
    assert parse_cpu(format_cpu(nano)) == nano


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1m30s", 90), ("1h", 3600), ("250ms", 1), ("1.5m", 90), ("0", 1)],
)
def test_durations_are_read_as_go_writes_them(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 s", "s", "1s1m"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_seconds(text)
