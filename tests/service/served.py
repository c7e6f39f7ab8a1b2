"""A function's server as a process of its own, and the way to talk to it."""

import http.client


class Served:
    """A runtime process and the way to talk to it."""

    def __init__(self, process, port):
        self.process = process
        self.port = port

    def ask(self, body=b"", *, method="POST", path="/", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
