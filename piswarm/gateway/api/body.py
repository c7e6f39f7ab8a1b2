"""Reading a request's body within bounds."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from piswarm.gateway.deployment import parse_document
from piswarm.gateway.faults import Fault

MAX_BYTES = 2**20


class TooLarge(Fault):
    """The body is longer than any document of the API."""

    status = 413


async def read_body(request: Request, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the body of a request to the API.

    Args:
        request: the request.
        max_bytes: how long it may be.

    Raises:
        TooLarge: it is longer.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise TooLarge(f"The body is longer than {max_bytes} bytes.")
    return bytes(body)


async def read_document(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body of a request.

    Raises:
        BadRequest: the body is something else.
        TooLarge: it is longer than `MAX_BYTES`.
    """
    return parse_document(await read_body(request))
