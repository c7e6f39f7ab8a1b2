import asyncio

import pytest
from support.fake_swarm import fake_swarm

from piswarm.gateway.faults import NotFound, Unavailable
from piswarm.gateway.function import FunctionSpec
from piswarm.gateway.replicas import ReplicaWaiter


def functions_with_echo(**labels):
    functions = fake_swarm().functions
    functions.create(FunctionSpec("echo", "i", labels=labels))
    return functions


def wait(functions, name="echo", patience_s=0.15):
    waiter = ReplicaWaiter(functions, patience_s=patience_s, patience_in_trouble_s=0.05)
    return asyncio.run(waiter.wait(name))


def test_a_running_replica_ends_the_wait_and_its_address_is_told():
    functions = functions_with_echo()
    functions.addresses["echo"] = ("10.0.1.7",)
    assert wait(functions) == ("10.0.1.7",)


def test_a_function_at_zero_is_woken():
    functions = functions_with_echo()
    functions.scale("echo", 0)
    wait(functions)
    assert functions.one("echo").replicas == 1


def test_it_is_woken_to_its_least_number_of_replicas():
    functions = functions_with_echo(**{"com.openfaas.scale.min": "2"})
    functions.scale("echo", 0)
    wait(functions)
    assert functions.one("echo").replicas == 2


def test_an_unknown_function_is_not_waited_for():
    with pytest.raises(NotFound):
        wait(fake_swarm().functions, "nothing")


def test_a_failure_ends_the_wait_early_and_is_told():
    functions = functions_with_echo()
    functions.starts_replicas = False
    functions.troubles["echo"] = "No such image: i"
    with pytest.raises(Unavailable, match="No such image: i"):
        wait(functions, patience_s=60)


def test_patience_ends():
    functions = functions_with_echo()
    functions.starts_replicas = False
    with pytest.raises(Unavailable, match="started within"):
        wait(functions)


def test_requests_that_wait_for_the_same_function_ask_the_swarm_once():
    functions = functions_with_echo()
    functions.scale("echo", 0)
    functions.starts_replicas = False
    scaled = []
    scale = functions.scale
    functions.scale = lambda name, replicas: (scaled.append(replicas), scale(name, replicas))

    async def many():
        waiter = ReplicaWaiter(functions, patience_s=0.3, patience_in_trouble_s=0.05)
        waits = [asyncio.create_task(waiter.wait("echo")) for _ in range(50)]
        await asyncio.sleep(0.1)
        functions.starts_replicas = True
        await asyncio.gather(*waits)

    asyncio.run(many())
    assert scaled == [1]


def test_scaling_to_zero_ends_the_wait_and_the_next_one_wakes_the_function_again():
    functions = functions_with_echo()
    functions.starts_replicas = False

    async def scale_meanwhile():
        waiter = ReplicaWaiter(functions, patience_s=60)
        waiting = asyncio.create_task(waiter.wait("echo"))
        await asyncio.sleep(0.05)
        functions.scale("echo", 0)
        with pytest.raises(Unavailable, match="scaled to zero"):
            await waiting
        functions.starts_replicas = True
        await waiter.wait("echo")

    asyncio.run(scale_meanwhile())
    assert functions.one("echo").replicas == 1
