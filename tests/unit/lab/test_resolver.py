import pytest

from piswarm.lab.resolver import name_servers

SYSTEMD_STUB = "# stub\nnameserver 127.0.0.53\noptions edns0\n"
REAL = "search home\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver fe80::1%eth0\n"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([REAL], ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"]),
        ([SYSTEMD_STUB, REAL], ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"]),
        ([SYSTEMD_STUB], []),
        (["nameserver ::1\n"], []),
        ([], []),
    ],
)
def test_only_servers_outside_the_machine_are_handed_to_nodes(texts, expected):
    assert name_servers(texts) == expected
