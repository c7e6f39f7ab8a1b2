from ipaddress import ip_network

import pytest

from piswarm.cluster.swarm import choose_address_pool, read_services
from piswarm.errors import SwarmError


@pytest.mark.parametrize(
    "lan",
    [
        [],
        ["192.168.1.11/24"],
        ["10.0.0.5/8"],
        ["10.201.3.4/24", "192.168.200.1/24"],
        ["172.16.0.9/12", "10.0.0.5/8"],
        ["169.254.7.8/16", "192.168.0.1/16"],
    ],
)
def test_the_swarms_networks_overlap_none_of_the_nodes(lan):
    pool = ip_network(choose_address_pool(lan))
    assert not [one for one in lan if pool.overlaps(ip_network(one, strict=False))]
    assert pool.num_addresses >= 2**14


def test_the_choice_is_the_same_each_time():
    assert choose_address_pool(["192.168.1.11/24"]) == choose_address_pool(["192.168.1.12/24"])


def test_where_everything_is_taken_it_is_told():
    with pytest.raises(SwarmError, match="overlaps a network of the nodes"):
        choose_address_pool(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])


def test_jobs_are_no_services_that_must_run():
    class Engine:
        def services(self, status):
            assert status
            modes = {"web": {"Replicated": {}}, "agent": {"Global": {}}, "job": {"ReplicatedJob": {}}}
            figures = {"RunningTasks": 1, "DesiredTasks": 2}
            return [
                {"Spec": {"Name": name, "Mode": mode}, "ServiceStatus": figures}
                for name, mode in modes.items()
            ]

    assert read_services(Engine()) == {"web": (1, 2), "agent": (1, 2)}
