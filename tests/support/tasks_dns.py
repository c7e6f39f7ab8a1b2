"""A DNS server on loopback that answers like the engine's: the addresses of a service's tasks."""

import socketserver
import threading
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class TasksDns:
    """Knows names and the addresses behind them; change `addresses` at any time."""

    def __init__(self):
        self.addresses = {}

    def answer(self, wire):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        answer = dns.message.make_response(query, recursion_available=True)
        addresses = self.addresses.get(question.name.to_text(omit_final_dot=True).lower(), [])
        if not addresses:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 600, "IN", "A", *addresses))
        return answer.to_wire()


@contextmanager
def tasks_dns():
    """Run such a server; give it and its address as HOST:PORT."""
    names = TasksDns()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            wire, connection = self.request
            connection.sendto(names.answer(wire), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield names, "{}:{}".format(*server.server_address)
        finally:
            server.shutdown()
