import asyncio
from datetime import UTC, datetime

import pytest

from piswarm.gateway.logs import LogLine, LogQuery, UnreadableQuery, frames, parse_line, parse_query


def test_a_query_is_read():
    query = parse_query(
        {
            "name": "echo.openfaas-fn",
            "instance": "abc",
            "follow": "true",
            "tail": "5",
            "since": "2026-11-20T12:00:00Z",
        }
    )
    assert query == LogQuery("echo", "abc", True, 5, datetime(2026, 11, 20, 12, tzinfo=UTC))


def test_what_is_not_asked_for_is_everything():
    assert parse_query({"name": "echo", "tail": "-1", "follow": ""}) == LogQuery("echo")


@pytest.mark.parametrize("tail", ["-2", "1.5", "\u0663", "all"])
def test_a_tail_that_is_no_number_is_refused(tail):
    with pytest.raises(UnreadableQuery, match="tail"):
        parse_query({"name": "echo", "tail": tail})


def test_a_frame_of_the_engines_is_a_line():
    details = "com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s1,com.docker.swarm.task.id=t1"
    frame = f"2026-11-20T12:00:00.123456789Z {details} two words\r\n".encode()
    assert parse_line("echo", frame) == LogLine("echo", "t1", "2026-11-20T12:00:00.123456789Z", "two words")


@pytest.mark.parametrize("size", [1, 3, 8, 9, 1000])
def test_frames_are_found_however_the_stream_is_cut(size):
    contents = [b"one\n", b"", b"x" * 300]
    stream = b"".join(b"\x01\0\0\0" + len(c).to_bytes(4) + c for c in contents) + b"\x01\0\0"

    async def parts():
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    async def collected():
        return [frame async for frame in frames(parts())]

    assert asyncio.run(collected()) == contents
