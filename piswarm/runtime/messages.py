"""What comes in and what goes out: one request and its answer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"


class Headers(Mapping[str, str]):
    """Request headers, found whatever the case of their names; of a repeated one, the first counts.

    Args:
        pairs: names and values as they came.
    """

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            self._values.setdefault(name.decode("latin-1").title(), value.decode("latin-1"))

    def __getitem__(self, name: str) -> str:
        return self._values[name.title()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({sorted(self._values)})"


@dataclass(frozen=True)
class Request:
    """A request to the function.

    Attributes:
        method: HTTP method.
        path: path behind the function's name, starting with a slash.
        query_string: what stands behind the question mark, undecoded.
        headers: the headers.
        body: the whole body.
    """

    method: str
    path: str
    query_string: str
    headers: Headers
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; of a repeated one, the first counts."""
        parameters: dict[str, str] = {}
        for name, value in parse_qsl(self.query_string, keep_blank_values=True):
            parameters.setdefault(name, value)
        return parameters


@dataclass(frozen=True)
class Answer:
    """What the caller gets.

    Attributes:
        status: HTTP status.
        body: the whole body.
        content_type: its media type; `headers` may name another.
        headers: more headers.
        values: a generator whose pieces are the body, in place of `body`.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = TEXT
    headers: dict[str, str] = field(default_factory=dict)
    values: Any = None


def sentence(status: int, text: str) -> Answer:
    """Return an answer of the runtime's own: one plain sentence."""
    return Answer(status, f"{text}\n".encode())


def answer_from(value: object, text_type: str = TEXT) -> Answer:
    """Return `value`, which a handler returned, as an answer.

    Args:
        value: text, bytes, anything that JSON can say, or a generator of these.
        text_type: media type of text.

    Raises:
        TypeError: the value is none of these.
    """
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        return Answer(values=value, content_type=text_type)
    if isinstance(value, str):
        return Answer(body=value.encode(errors="surrogateescape"), content_type=text_type)
    if isinstance(value, bytes | bytearray | memoryview):
        return Answer(body=bytes(value), content_type=BYTES)
    if value is None:
        return Answer(content_type=text_type)
    return Answer(body=json.dumps(value).encode(), content_type=JSON)
