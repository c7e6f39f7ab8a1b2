"""The user's `handler.py`: loaded once, called for each request, in the ways of OpenFaaS's templates.

| signature                | gets                               | may return                                 |
|--------------------------|------------------------------------|--------------------------------------------|
| `handle(req)`            | the body: text (`req: bytes`: raw) | text, bytes, JSON; None: what it printed   |
| `handle(event, context)` | body, headers, method, query, path | also `{"statusCode", "body", "headers"}`   |

Both find the request in the environment, too: `os.environ["Http_Query"]`, `Http_Method`, `Http_Path` and one
`Http_<Name>` for each header. What they yield, in place of returning, goes to the caller at once. Both may be
`async`, and both may return `(body, status)` or `(body, status, headers)`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from piswarm.runtime.environment import about
from piswarm.runtime.messages import Answer, Headers, Request, answer_from, sentence
from piswarm.runtime.output import captured
from piswarm.runtime.settings import RuntimeSettings

_HEADER = re.compile(r"[!#-'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*")
_RESPONSE_KEYS = {"statusCode", "body", "headers"}


class HandlerError(Exception):
    """The handler cannot be loaded; the message says why in a sentence."""


@dataclass(frozen=True)
class Event:
    """The first argument of `handle(event, context)`."""

    body: bytes
    headers: Headers
    method: str
    query: dict[str, str]
    path: str


@dataclass(frozen=True)
class Context:
    """The second argument of `handle(event, context)`."""

    hostname: str


class Handler:
    """A loaded handler.

    Args:
        handle: the function of the user's.
        settings: how the runtime serves.
    """

    timeout_status = 504

    def __init__(self, handle: Callable[..., Any], settings: RuntimeSettings) -> None:
        self._handle = handle
        self._settings = settings
        self._context = Context(socket.gethostname())
        self.is_async = inspect.iscoroutinefunction(handle)
        parameters = _positional(handle)
        self._takes = min(len(parameters), 2 if _wants_context(parameters) else 1)
        self._wants_bytes = settings.raw_body or (
            bool(parameters) and parameters[0].annotation in (bytes, "bytes")
        )

    def call(self, request: Request) -> Answer:
        """Answer `request`, in the calling thread."""
        with captured() as printed, about(request):
            try:
                value = self._handle(*self._arguments(request))
                answer = self._answer(value, printed.getvalue())
            except (Exception, SystemExit) as error:  # noqa: BLE001  (the border to the user's code)
                answer = self._failed(error, printed.getvalue())
        return answer

    async def call_async(self, request: Request) -> Answer:
        """Answer `request` with a handler that is `async`."""
        with captured() as printed, about(request):
            try:
                value = await self._handle(*self._arguments(request))
                answer = self._answer(value, printed.getvalue())
            except (Exception, SystemExit) as error:  # noqa: BLE001  (the border to the user's code)
                answer = self._failed(error, printed.getvalue())
        return answer

    def _arguments(self, request: Request) -> tuple[object, ...]:
        if self._takes == 2:
            event = Event(request.body, request.headers, request.method, request.query, request.path)
            return (event, self._context)
        if self._takes == 0:
            return ()
        body = request.body
        return (body if self._wants_bytes else body.decode(errors="surrogateescape"),)

    def _answer(self, value: object, printed: bytes) -> Answer:
        if value is None and self._takes < 2:
            return Answer(body=printed, content_type=self._settings.content_type)
        _log(printed)
        if self._takes == 2 and isinstance(value, Mapping) and value and value.keys() <= _RESPONSE_KEYS:
            value = (value.get("body"), value.get("statusCode", 200), value.get("headers") or {})
        if isinstance(value, tuple) and len(value) in (2, 3) and isinstance(value[1], int):
            return self._answer_from_parts(*value)
        return answer_from(value, self._settings.content_type)

    def _answer_from_parts(
        self, body: object, status: int, headers: Mapping[str, object] | None = None
    ) -> Answer:
        if not 200 <= status <= 599:
            raise ValueError(f"{status} is not the status of an answer (200 to 599)")
        texts = {str(name): str(value) for name, value in (headers or {}).items()}
        if any(not _HEADER.fullmatch(f"{name}: {value}") for name, value in texts.items()):
            raise ValueError(f"the headers {texts} cannot be sent")
        return replace(answer_from(body, self._settings.content_type), status=status, headers=texts)

    def _failed(self, error: BaseException, printed: bytes) -> Answer:
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return Answer(body=printed, content_type=self._settings.content_type)
        _log(printed)
        trace = _users_part(error.__traceback__)
        sys.stderr.write("".join(traceback.format_exception(type(error), error, trace)))
        sys.stderr.flush()
        return sentence(500, f"The function failed: {_in_a_sentence(error, trace)}.")


def load_handler(folder: Path, settings: RuntimeSettings) -> Handler:
    """Load `handler.py` of `folder`.

    Its neighbours can be imported as `import neighbour`, `from . import neighbour` and
    `from <folder's name> import neighbour`.

    Raises:
        HandlerError: there is none, it cannot be imported, or it has no `handle`.
    """
    if not (folder / "handler.py").is_file():
        raise HandlerError(f"There is no handler.py in {folder}.")
    for path in (str(folder), str(folder.parent)):
        if path not in sys.path:
            sys.path.insert(0, path)
    try:
        module = importlib.import_module(f"{folder.name}.handler")
    except (Exception, SystemExit) as error:
        trace = _users_part(error.__traceback__)
        sys.stderr.write("".join(traceback.format_exception(type(error), error, trace)))
        raise HandlerError(f"handler.py cannot be loaded: {_in_a_sentence(error, trace)}.") from error
    handle = getattr(module, "handle", None)
    if not callable(handle):
        raise HandlerError("handler.py has no function 'handle'; it needs 'def handle(req):'.")
    return Handler(handle, settings)


def _positional(handle: Callable[..., Any]) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        parameter for parameter in inspect.signature(handle).parameters.values() if parameter.kind in kinds
    ]


def _wants_context(parameters: list[inspect.Parameter]) -> bool:
    return len(parameters) >= 2 and (
        parameters[1].name == "context" or parameters[1].default is inspect.Parameter.empty
    )


def _log(printed: bytes) -> None:
    if printed:
        sys.__stdout__.buffer.write(printed)  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames above the user's code: the runtime's own and the import machinery's."""
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_ours(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<frozen importlib") or filename == importlib.__file__


def _in_a_sentence(error: BaseException, trace: TracebackType | None) -> str:
    if isinstance(error, SyntaxError):
        return (
            f"{type(error).__name__} in {Path(error.filename or '').name}, line {error.lineno}: {error.msg}"
        )
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(trace)
    if not frames:
        return what
    own = [frame for frame in frames if Path(frame.filename).name == "handler.py"] or frames
    return f"{what} ({Path(own[-1].filename).name}, line {own[-1].lineno})"
