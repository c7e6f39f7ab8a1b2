import asyncio
from datetime import UTC, datetime

import pytest
from support.fake_swarm import FakeSwarm

from piswarm.gateway.faults import NotFound, Unavailable
from piswarm.gateway.function import FunctionSpec
from piswarm.gateway.replicas import ReplicaWaiter
from piswarm.gateway.tasks import Task

WHEN = datetime(2026, 11, 20, tzinfo=UTC)


def swarm_with_echo(**labels):
    swarm = FakeSwarm()
    swarm.create(FunctionSpec("echo", "i", labels=labels))
    return swarm


def wait(swarm, name="echo", patience_s=0.15):
    waiter = ReplicaWaiter(swarm, patience_s=patience_s, patience_in_trouble_s=0.05)
    asyncio.run(waiter.wait(name))


def test_a_running_replica_ends_the_wait():
    wait(swarm_with_echo())


def test_a_function_at_zero_is_woken():
    swarm = swarm_with_echo()
    swarm.scale("echo", 0)
    wait(swarm)
    assert swarm.function("echo").replicas == 1


def test_it_is_woken_to_its_least_number_of_replicas():
    swarm = swarm_with_echo(**{"com.openfaas.scale.min": "2"})
    swarm.scale("echo", 0)
    wait(swarm)
    assert swarm.function("echo").replicas == 2


def test_an_unknown_function_is_not_waited_for():
    with pytest.raises(NotFound):
        wait(FakeSwarm(), "nothing")


def test_a_failure_ends_the_wait_early_and_is_told():
    swarm = swarm_with_echo()
    swarm.starts_replicas = False
    swarm.attempts["echo"] = [Task("rejected", "No such image: i", WHEN)]
    with pytest.raises(Unavailable, match="No such image: i"):
        wait(swarm, patience_s=60)


def test_patience_ends():
    swarm = swarm_with_echo()
    swarm.starts_replicas = False
    with pytest.raises(Unavailable, match="started within"):
        wait(swarm)


def test_requests_that_wait_for_the_same_function_ask_the_swarm_once():
    swarm = swarm_with_echo()
    swarm.scale("echo", 0)
    swarm.starts_replicas = False
    scaled = []
    scale = swarm.scale
    swarm.scale = lambda name, replicas: (scaled.append(replicas), scale(name, replicas))

    async def many():
        waiter = ReplicaWaiter(swarm, patience_s=0.3, patience_in_trouble_s=0.05)
        waits = [asyncio.create_task(waiter.wait("echo")) for _ in range(50)]
        await asyncio.sleep(0.1)
        swarm.starts_replicas = True
        await asyncio.gather(*waits)

    asyncio.run(many())
    assert scaled == [1]
