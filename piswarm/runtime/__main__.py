"""`python3 -m piswarm.runtime FOLDER` serves the function in FOLDER: its `handler.py`, or any program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from piswarm.runtime.app import App, Callee
from piswarm.runtime.environment import answer_for_requests
from piswarm.runtime.handler import HandlerError, load_handler
from piswarm.runtime.output import separate_requests
from piswarm.runtime.process import Process
from piswarm.runtime.server import serve
from piswarm.runtime.settings import RuntimeSettings, SettingError


def _callee(settings: RuntimeSettings, arguments: list[str]) -> Callee:
    if settings.process:
        return Process(settings)
    separate_requests()
    answer_for_requests()
    return load_handler(Path(arguments[0] if arguments else "function").resolve(), settings)


def main(arguments: list[str]) -> int:
    """Serve until told to stop; return the exit code."""
    try:
        settings = RuntimeSettings.from_environment(os.environ)
        serve(App(_callee(settings, arguments), settings), settings)
    except (HandlerError, SettingError, OSError) as error:
        sys.stderr.write(f"piswarm.runtime: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Handlers that still hang had their time; Python would wait for their threads for ever.
    os._exit(exit_code)
