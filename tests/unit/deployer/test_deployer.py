"""The story of a push on the manager, as far as it goes without a cluster."""

import pytest

from piswarm.deployer import __main__ as program
from piswarm.deployer.deploy import deploy_delivery
from piswarm.deployer.local import LocalShell
from piswarm.errors import GatewayError, SpecError
from piswarm.functions import lock
from piswarm.functions.hook import make_hook
from piswarm.gateway.delivery import Delivery

DELIVERY = Delivery("hello", "c" * 40, "Say more", "Ada", "ada")


class Unreachable:
    """A gateway that cannot be reached."""

    def existing(self, name):
        raise GatewayError(f"The gateway cannot be\n reached for {name}.")


class Elsewhere:
    """A gateway with a function that was deployed from a work tree."""

    def existing(self, name):
        return {"name": name, "annotations": {"piswarm.commit": "d" * 40}}


class Site:
    """A site that keeps failures where a test can look at them."""

    who = "hook (ada)"

    def __init__(self, gateway, console):
        self.gateway = gateway
        self.console = console
        self.manager = LocalShell("pi1")
        self.failures = []

    def record_failure(self, function, **told):
        self.failures.append((function, told))


class Console:
    """Takes what it is told."""

    def error(self, error):
        self.told = error.message


@pytest.mark.parametrize(
    ("gateway", "reason"),
    [
        (Unreachable(), "The gateway cannot be reached for hello."),
        (
            Elsewhere(),
            "hello was deployed from files elsewhere in the meantime, so this push does not count.",
        ),
    ],
)
def test_a_push_that_fails_is_kept_with_its_reason(tmp_path, monkeypatch, gateway, reason):
    monkeypatch.setattr(lock, "STATE_DIR", str(tmp_path))
    site = Site(gateway, Console())
    assert deploy_delivery(site, DELIVERY) is None
    told = {"commit": "c" * 40, "subject": "Say more", "author": "Ada"}
    assert site.failures == [("hello", {**told, "reason": reason})]
    assert " ".join(site.console.told.split()) == reason


def test_a_function_from_a_work_tree_has_no_hook():
    with pytest.raises(SpecError, match="hello was deployed from files here") as caught:
        make_hook(Site(Elsewhere(), Console()), "hello")
    assert "piswarm deploy hello --repo URL --force" in caught.value.hint


@pytest.mark.parametrize("arch", ["arm64", "armhf"])
def test_the_cluster_is_read_from_the_swarm_with_this_node_first(arch):
    class Engine:
        def info(self):
            return {"Swarm": {"NodeID": "2"}}

        def nodes(self):
            return [
                {
                    "ID": number,
                    "Description": {"Hostname": f"pi{number}"},
                    "Status": {"Addr": f"192.0.2.{number}"},
                    "Spec": {"Role": role, "Labels": labels},
                }
                for number, role, labels in (
                    ("1", "worker", {"piswarm.arch": "armhf"}),
                    ("2", "manager", {"piswarm.arch": "arm64"}),
                    ("3", "manager", None),
                )
            ]

    cluster = program.read_cluster(Engine(), arch)
    assert [(node.name, node.role, node.arch) for node in cluster.nodes] == [
        ("pi2", "manager", "arm64"), ("pi1", "worker", "armhf"), ("pi3", "manager", ""),
    ]  # fmt: skip
    assert cluster.manager.name == "pi2"
    assert cluster.gateway_url == "http://192.0.2.2:8080"
    assert cluster.image_arch == arch
