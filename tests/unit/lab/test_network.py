from ipaddress import IPv4Address, IPv4Network

from piswarm.lab.names import MOST_NODES
from piswarm.lab.network import free_subnets, node_address, parse_routes

# Columns as in proc_net_route(5); addresses are in the byte order of a little-endian machine.
ROUTES = """\
Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
vpn0\t0000D40A\t00000000\t0001\t0\t0\t0\t0000FCFF\t0\t0\t0
"""


def test_routes_are_read_without_the_default_route():
    assert parse_routes(ROUTES) == [
        IPv4Network("192.168.1.0/24"),
        IPv4Network("172.17.0.0/16"),
        IPv4Network("10.212.0.0/14"),
    ]


def test_the_first_subnet_that_overlaps_nothing_comes_first():
    used = [IPv4Network("10.213.0.0/24"), IPv4Network("10.213.1.128/25"), IPv4Network("192.168.0.0/16")]
    free = free_subnets(used)
    assert free[0] == IPv4Network("10.213.2.0/24")
    assert not any(subnet.overlaps(other) for subnet in free for other in used)


def test_a_route_around_all_candidates_leaves_none():
    assert free_subnets([IPv4Network("10.0.0.0/8")]) == []


def test_every_node_has_its_own_address_beside_the_gateway():
    subnet = IPv4Network("10.213.7.0/24")
    addresses = {node_address(subnet, number) for number in range(1, MOST_NODES + 1)}
    assert len(addresses) == MOST_NODES
    assert IPv4Address("10.213.7.1") not in addresses
    assert all(address in subnet for address in addresses)
