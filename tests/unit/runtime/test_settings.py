"""The environment of a function's container."""

import pytest

from piswarm.runtime.settings import RuntimeSettings, SettingError, seconds


def test_an_empty_environment_gives_the_defaults():
    assert RuntimeSettings.from_environment({}) == RuntimeSettings()


def test_the_names_of_the_watchdogs_are_understood():
    settings = RuntimeSettings.from_environment(
        {
            "port": "9000",
            "max_inflight": "3",
            "exec_timeout": "1m5s",
            "write_timeout": "20",
            "RAW_BODY": "True",
        }
    )
    assert settings == RuntimeSettings(
        port=9000, max_inflight=3, exec_timeout_s=65.0, write_timeout_s=20.0, raw_body=True
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0.0), ("15", 15.0), ("15s", 15.0), ("500ms", 0.5), ("1h2m3s", 3723.0), ("1.5m", 90.0)],
)
def test_times(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "http"),
        ("max_inflight", "-1"),
        ("exec_timeout", "soon"),
        ("write_timeout", "5 s"),
        ("RAW_BODY", "maybe"),
    ],
)
def test_a_bad_value_names_its_variable(name, value):
    with pytest.raises(SettingError, match=f"The variable {name} is '{value}'"):
        RuntimeSettings.from_environment({name: value})
