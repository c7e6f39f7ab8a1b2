"""What functions write: what may be asked for, and how the engine's stream becomes lines.

The engine multiplexes standard output and error into frames and, when asked, puts a time stamp and the task's
identity in front of each line: https://docs.docker.com/reference/api/engine/ (ServiceLogs, ContainerAttach).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from piswarm.gateway.deployment import without_namespace
from piswarm.gateway.faults import Fault
from piswarm.gateway.function import NAMESPACE

_FRAME_HEADER_BYTES = 8
_TASK = "com.docker.swarm.task.id"
_FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False}


class UnreadableQuery(Fault):
    """The query of a request for logs cannot be understood."""

    status = 422


@dataclass(frozen=True)
class LogQuery:
    """Which lines are asked for.

    Attributes:
        name: the function.
        instance: the beginning of a task's id; empty for every replica.
        follow: whether to go on with new lines as they come.
        tail: how many lines from the end to begin with; None for all.
        since: only lines from then on; None for all.
    """

    name: str
    instance: str = ""
    follow: bool = False
    tail: int | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class LogLine:
    """One line that a replica wrote.

    Attributes:
        name: the function.
        instance: the id of the replica's task.
        timestamp: when it was written, as the engine tells it (RFC 3339 with nanoseconds).
        text: the line without its end.
    """

    name: str
    instance: str
    timestamp: str
    text: str

    def to_json(self) -> bytes:
        """Return the line as the wire contract writes it, one JSON object and a line end."""
        document = {
            "name": self.name,
            "namespace": NAMESPACE,
            "instance": self.instance,
            "timestamp": self.timestamp,
            "text": self.text,
        }
        return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def parse_query(parameters: Mapping[str, str]) -> LogQuery:
    """Return what a request's parameters ask for.

    Raises:
        UnreadableQuery: a parameter is missing or means nothing.
    """
    name = parameters.get("name", "")
    if not name:
        raise UnreadableQuery("The parameter name is missing: name=FUNCTION.")
    return LogQuery(
        name=without_namespace(name),
        instance=parameters.get("instance", ""),
        follow=_flag(parameters.get("follow", "")),
        tail=_tail(parameters.get("tail", "")),
        since=_time(parameters.get("since", "")),
    )


def parse_line(name: str, frame: bytes) -> LogLine:
    """Return the line in a frame that the engine sent with time stamp and details.

    Args:
        name: the function.
        frame: `TIMESTAMP DETAILS TEXT`, as the engine writes it.
    """
    timestamp, _, rest = frame.decode(errors="replace").rstrip("\r\n").partition(" ")
    details, _, text = rest.partition(" ")
    identity = dict(pair.partition("=")[::2] for pair in details.split(","))
    return LogLine(name, unquote(identity.get(_TASK, "")), timestamp, text)


async def frames(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut the engine's multiplexed stream into the contents of its frames."""
    buffer = bytearray()
    async for part in parts:
        buffer += part
        while len(buffer) >= _FRAME_HEADER_BYTES:
            end = _FRAME_HEADER_BYTES + int.from_bytes(buffer[4:_FRAME_HEADER_BYTES])
            if len(buffer) < end:
                break
            yield bytes(buffer[_FRAME_HEADER_BYTES:end])
            del buffer[:end]


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise UnreadableQuery(f"follow is '{text}', neither true nor false.")
    return _FLAGS[text.lower()]


def _tail(text: str) -> int | None:
    if text in ("", "-1"):
        return None
    if not text.isascii() or not text.isdigit():
        raise UnreadableQuery(f"tail is '{text}', not a number of lines.")
    return int(text)


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UnreadableQuery(f"since is '{text}', not a time such as 2026-11-20T12:00:00Z.") from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
