"""How the runtime serves, read once from the container's environment.

| variable          | default    | meaning                                                              |
|-------------------|------------|----------------------------------------------------------------------|
| `port`            | 8080       | port to listen on                                                    |
| `max_inflight`    | 0          | requests at a time, more get 429; 0 is no limit                      |
| `threads`         | 16         | requests that handlers without `async` work on at a time             |
| `max_body`        | 100000000  | bytes of a request's body, more get 413                              |
| `exec_timeout`    | 0          | time for one request, then 504; 0 is no limit                        |
| `write_timeout`   | 30s        | time for open requests to end after the linger                       |
| `linger`          | 3s         | time to go on serving after SIGTERM, until callers know              |
| `content_type`    | text/plain | media type of text                                                   |
| `fprocess`        |            | program that answers each request in place of `handler.py`           |
| `combine_output`  | true       | the program's standard error is part of its answer                   |
| `cgi_headers`     | true       | the program finds the request in its environment                     |
| `RAW_BODY`        | false      | give the body to `handle(req)` as bytes                              |
| `PISWARM_VERSION` |            | named by `/_/health`, so that a deploy sees which version answers    |
| `suppress_lock`   | false      | do not keep the file `/tmp/.lock` while ready                        |

Names and time formats are those of OpenFaaS's watchdogs (a number is seconds; otherwise `1m30s`, `500ms`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from piswarm.runtime.messages import TEXT

_T = TypeVar("_T")
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")


class SettingError(ValueError):
    """A variable of the environment has a value that cannot be used."""


@dataclass(frozen=True)
class RuntimeSettings:
    """What the environment asks for; the module's table says what each means."""

    port: int = 8080
    max_inflight: int = 0
    threads: int = 16
    max_body: int = 100_000_000
    exec_timeout_s: float = 0.0
    write_timeout_s: float = 30.0
    linger_s: float = 3.0
    content_type: str = TEXT
    process: str = ""
    combine_output: bool = True
    cgi_headers: bool = True
    raw_body: bool = False
    suppress_lock: bool = False
    version: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> RuntimeSettings:
        """Read the settings.

        Raises:
            SettingError: a value cannot be used; the message names the variable.
        """

        def read(name: str, parse: Callable[[str], _T], default: _T) -> _T:
            text = environment.get(name, "").strip()
            if not text:
                return default
            try:
                return parse(text)
            except ValueError as error:
                raise SettingError(f"The variable {name} is '{text}', which is not {error}.") from error

        return cls(
            port=read("port", _count, cls.port),
            max_inflight=read("max_inflight", _count, cls.max_inflight),
            threads=max(1, read("threads", _count, cls.threads)),
            max_body=read("max_body", _count, cls.max_body),
            exec_timeout_s=read("exec_timeout", seconds, cls.exec_timeout_s),
            write_timeout_s=read("write_timeout", seconds, cls.write_timeout_s),
            linger_s=read("linger", seconds, cls.linger_s),
            content_type=read("content_type", str, cls.content_type),
            process=read("fprocess", str, environment.get("function_process", cls.process)),
            combine_output=read("combine_output", _truth, cls.combine_output),
            cgi_headers=read("cgi_headers", _truth, cls.cgi_headers),
            raw_body=read("RAW_BODY", _truth, cls.raw_body),
            suppress_lock=read("suppress_lock", _truth, cls.suppress_lock),
            version=read("PISWARM_VERSION", str, cls.version),
        )


def seconds(text: str) -> float:
    """Return the seconds that `text` says: a whole number, or a duration such as `1m30s`.

    Raises:
        ValueError: it says no time.
    """
    if text.isdecimal():
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError("a time such as 10, 10s or 1m30s")
    return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION_PART.findall(text))


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError("true or false")
    return text.lower() in {"true", "1"}
