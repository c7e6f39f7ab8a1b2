"""Serving an ASGI application on loopback, over a real socket."""

import socket
import threading
import time
from contextlib import contextmanager

import uvicorn

START_DEADLINE_S = 10.0


@contextmanager
def served(app, port=0):
    """Serve `app`; give the address as HOST:PORT."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_DEADLINE_S
    while not server.started:
        assert thread.is_alive(), "the server ended while it was starting"
        assert time.monotonic() < deadline, f"the server has not started within {START_DEADLINE_S} s"
        time.sleep(0.01)
    try:
        yield "{}:{}".format(*listener.getsockname())
    finally:
        server.should_exit = True
        thread.join(START_DEADLINE_S)
        assert not thread.is_alive(), "the server did not end"
