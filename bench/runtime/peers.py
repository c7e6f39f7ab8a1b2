"""The same echo handler behind other servers: `peers.py NAME`, in a folder with `function/handler.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PORT = int(os.environ["port"])  # noqa: SIM112  (the name that functions know)


def application():
    from piswarm.runtime.app import App
    from piswarm.runtime.handler import load_handler
    from piswarm.runtime.output import separate_requests
    from piswarm.runtime.settings import RuntimeSettings

    settings = RuntimeSettings.from_environment(os.environ)
    separate_requests()
    return App(load_handler(Path("function").resolve(), settings), settings)


def uvicorn_h11():
    import uvicorn

    uvicorn.run(
        application(),
        port=PORT,
        loop="asyncio",
        http="h11",
        lifespan="off",
        access_log=False,
        log_level="critical",
    )


def granian():
    from granian import Granian
    from granian.constants import Interfaces

    sys.path.insert(0, str(Path(__file__).parent))
    server = Granian(
        "peers:application", port=PORT, interface=Interfaces.ASGINL, factory=True, log_enabled=False
    )
    server.serve()


def waitress():
    import waitress

    handle = load()

    def serve(environ, start_response):
        body = handle(environ["wsgi.input"].read().decode()).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    waitress.serve(serve, listen=f"127.0.0.1:{PORT}", threads=16)


def flask():
    import waitress
    from flask import Flask, request

    app, handle = Flask(__name__), load()
    app.add_url_rule("/", "handle", lambda: handle(request.get_data(as_text=True)), methods=["POST"])
    waitress.serve(app, listen=f"127.0.0.1:{PORT}", threads=16)


def load():
    sys.path.insert(0, "function")
    from handler import handle

    return handle


if __name__ == "__main__":
    {"uvicorn-h11": uvicorn_h11, "granian": granian, "waitress": waitress, "flask": flask}[sys.argv[1]]()
