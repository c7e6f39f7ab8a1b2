"""Any program as a function: one process for each request, as OpenFaaS's classic watchdog does it.

The body goes to the program's standard input; what it prints, errors included, is the answer. The rest of the
request is in its environment: `Http_Method`, `Http_Path`, `Http_Query`, `Http_Content_Length` and one
`Http_<Name>` for each header.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from piswarm.runtime.environment import request_variables
from piswarm.runtime.messages import Answer, Request, sentence
from piswarm.runtime.settings import RuntimeSettings

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class Process:
    """A program that answers requests.

    Args:
        settings: how the runtime serves; `process` is the command line, split at blanks.
    """

    is_async = True
    timeout_status = 408

    def __init__(self, settings: RuntimeSettings) -> None:
        self._words = settings.process.split()
        self._settings = settings

    def call(self, request: Request) -> Answer:
        """Answer `request`, in the calling thread."""
        return asyncio.run(self.call_async(request))

    async def call_async(self, request: Request) -> Answer:
        """Start the program, give it the body, and answer with its output."""
        if request.method not in _METHODS:
            return sentence(405, f"{request.method} is not served; use {', '.join(sorted(_METHODS))}.")
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                env={**os.environ, **(request_variables(request) if self._settings.cgi_headers else {})},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT if self._settings.combine_output else None,
                start_new_session=True,
            )
        except OSError as error:
            sys.stderr.write(f"{self._words[0]} cannot be started: {error}\n")
            return sentence(
                500, f"The function failed: {self._words[0]} cannot be started: {error.strerror}."
            )
        try:
            output = await _communicate(process, request.body)
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        return self._answer(request, process.returncode or 0, output)

    def _answer(self, request: Request, exit_code: int, output: bytes) -> Answer:
        if exit_code != 0:
            what = (
                f"exit status {exit_code}" if exit_code > 0 else f"signal {signal.Signals(-exit_code).name}"
            )
            sys.stderr.write(f"{self._words[0]} ended with {what}\n")
            return Answer(500, f"{what}\n".encode() + output)
        content_type = self._settings.content_type
        if content_type == RuntimeSettings.content_type:
            content_type = request.headers.get("Content-Type", content_type)
        return Answer(body=output, content_type=content_type)


async def _communicate(process: asyncio.subprocess.Process, body: bytes) -> bytes:
    """Give the program the body and return what it prints until it ends."""
    assert process.stdin is not None  # noqa: S101  (both are pipes)
    assert process.stdout is not None  # noqa: S101
    output, _ = await asyncio.gather(process.stdout.read(), _feed(process.stdin, body))
    await process.wait()
    return output


async def _feed(stdin: asyncio.StreamWriter, body: bytes) -> None:
    """Write the body; a program need not read it.

    When the program has ended already, uvloop raises RuntimeError where asyncio raises BrokenPipeError.
    """
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        stdin.write(body)
        await stdin.drain()
    stdin.close()
