"""`Http_*` variables, for handlers that were written for one process a request.

The classic watchdog put the request into the environment of the process that it started. Here many requests
share one process, so `os.environ` answers for the request that the caller works on, whichever thread or task
it runs in. Everything else about it stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property

from piswarm.runtime.messages import Request

_PREFIX = "Http_"


def request_variables(request: Request) -> dict[str, str]:
    """Return what the environment says about a request."""
    length = str(len(request.body))
    headers = {f"{_PREFIX}{name.replace('-', '_')}": value for name, value in request.headers.items()}
    return {
        **headers,
        "Http_Method": request.method,
        "Http_Path": request.path,
        "Http_Query": request.query_string,
        "Http_Content_Length": length,
        "Http_ContentLength": length,
    }


class _Variables:
    """The variables of one request, made when they are first asked for."""

    def __init__(self, request: Request) -> None:
        self._request = request

    @cached_property
    def all(self) -> dict[str, str]:
        return request_variables(self._request)


_current: ContextVar[_Variables | None] = ContextVar("request_variables", default=None)


class RequestEnvironment(MutableMapping[str, str]):
    """Stands in for `os.environ`.

    Args:
        process: the environment of the process.
    """

    def __init__(self, process: os._Environ[str]) -> None:
        self._process = process

    def __getitem__(self, name: str) -> str:
        variables = _current.get() if isinstance(name, str) and name.startswith(_PREFIX) else None
        if variables is not None and name in variables.all:
            return variables.all[name]
        return self._process[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._process[name] = value

    def __delitem__(self, name: str) -> None:
        del self._process[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._process
        variables = _current.get()
        if variables is not None:
            yield from (name for name in variables.all if name not in self._process)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getattr__(self, name: str) -> object:
        return getattr(self._process, name)

    def copy(self) -> dict[str, str]:
        """Return a dictionary of it, as `os.environ.copy()` does."""
        return dict(self)


def answer_for_requests() -> None:
    """Put a `RequestEnvironment` in the place of `os.environ`, once."""
    if not isinstance(os.environ, RequestEnvironment):
        os.environ = RequestEnvironment(os.environ)  # type: ignore[assignment]  # noqa: B003


@contextmanager
def about(request: Request) -> Iterator[None]:
    """Let the environment tell of `request` inside the `with` block, to this thread or task."""
    token = _current.set(_Variables(request))
    try:
        yield
    finally:
        _current.reset(token)
