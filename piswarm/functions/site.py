"""Where the stories about functions take place: a cluster, its manager, its gateway, the console that is told.

What speaks SSH and to Docker is imported where it is needed: to find that there is nothing to do, neither is.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from piswarm.cluster.inventory import Cluster
from piswarm.console import Console
from piswarm.errors import ConnectError, PiswarmError
from piswarm.functions.architectures import builders
from piswarm.functions.gateway import GatewayClient
from piswarm.functions.lock import BUILDS, deploys_of, exclusive
from piswarm.functions.version import AUTHOR, COMMIT, SUBJECT

if TYPE_CHECKING:
    from piswarm.cluster.connect import Connection
    from piswarm.cluster.engine import Engine
    from piswarm.cluster.shell import Shell
    from piswarm.functions.history import Entry
    from piswarm.functions.pushes import OpenPush

LOCK_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Deployed:
    """How a story ended.

    Attributes:
        function: the function's name.
        url: where it answers.
        commit: full name of the commit that is live.
        image: the image that is live.
        is_changed: whether anything had to be done.
        number: its number in the history; 0 where nothing was recorded.
    """

    function: str
    url: str
    commit: str
    image: str
    is_changed: bool
    number: int = 0


def _me() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class Site:
    """A cluster at work, its manager reached over SSH.

    Attributes:
        cluster: the cluster.
        console: is told what happens.
        gateway: the cluster's gateway.
        who: who works, for those who wait and for the history.
        others: to the nodes other than the manager that build, by name.
    """

    cluster: Cluster
    console: Console
    gateway: GatewayClient
    who: str = field(default_factory=_me)
    others: dict[str, Connection] = field(default_factory=dict)

    @property
    def manager(self) -> Shell:
        """Return the shell of the first manager."""
        return self._connection

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Give the manager's engine.

        Raises:
            SwarmError: it does not answer, or refuses what is asked of it in the `with` block.
        """
        from piswarm.cluster.engine import engine_of  # noqa: PLC0415

        with engine_of(self._connection) as engine:
            yield engine

    def node_for(self, arch: str) -> Shell:
        """Return the shell of the node that builds for an architecture: the first that can and answers.

        Raises:
            ConnectError: none of them answers.
        """
        from piswarm.cluster.connect import connect  # noqa: PLC0415

        candidates = builders(self.cluster)[arch]
        if candidates == (self.cluster.manager,):
            return self.manager
        faults = []
        for node in candidates:
            if node.name not in self.others:
                connection = connect(self.cluster, node)
                try:
                    connection.open()
                except ConnectError as error:
                    faults.append(error.message)
                    continue
                self.others[node.name] = connection
            return self.others[node.name]
        raise ConnectError(
            f"No node answers that could build for {arch}: {' '.join(faults)}",
            "Switch one on, take them out of the cluster (piswarm node remove), or keep the function off them: "
            f"constraints: [node.labels.piswarm.arch != {arch}]",
        )

    @cached_property
    def _connection(self) -> Connection:
        """Return the connection to the manager; it opens itself when it is first used."""
        from piswarm.cluster.connect import connect  # noqa: PLC0415

        return connect(self.cluster, self.cluster.manager)

    def close(self) -> None:
        """Close the connections to the nodes that build."""
        if "_connection" in self.__dict__:
            self._connection.close()
        for connection in self.others.values():
            connection.close()

    def url(self, function: str) -> str:
        """Return where a function answers."""
        return f"{self.cluster.gateway_url}/function/{function}"

    @contextmanager
    def deploying(self, function: str) -> Iterator[bool]:
        """Keep others from deploying the function meanwhile; yield whether somebody else did so first.

        Raises:
            DeployError: the others did not end in time.
        """
        with exclusive(
            self.manager, deploys_of(function), self.who, timeout_s=LOCK_TIMEOUT_S,
            on_wait=lambda holder: self.console.note(f"{holder} deploys {function} at the moment; waiting"),
        ) as somebody_else_did:  # fmt: skip
            yield somebody_else_did

    @contextmanager
    def building(self, what: str, shell: Shell) -> Iterator[None]:
        """Keep others from building on a node meanwhile.

        Args:
            what: what is built, for those who wait.
            shell: the node.

        Raises:
            DeployError: the others did not end in time.
        """
        with exclusive(
            shell, BUILDS, f"{what}, by {self.who}", timeout_s=LOCK_TIMEOUT_S,
            on_wait=lambda holder: self.console.progress(f"waiting for the build of {holder}", shell.node),
        ):  # fmt: skip
            yield

    def put_live(
        self, wanted: Mapping[str, Any], running: Mapping[str, Any] | None, timeout_s: float, note: str = ""
    ) -> Deployed:
        """Put a version live and keep it in the history.

        Args:
            wanted: the body that deploys it, with the annotations of its origin.
            running: what the gateway says of the version before; None when there is none.
            timeout_s: seconds until it is given up.
            note: how it came, if not by a deploy.

        Raises:
            GatewayError: the gateway refuses it.
            DeployError: it does not work; the version before still runs.
        """
        from piswarm.functions import history  # noqa: PLC0415
        from piswarm.functions.rollout import put_live  # noqa: PLC0415

        name = str(wanted["service"])
        with self.engine() as engine:
            with self.console.step(f"Put {name} live"):
                put_live(
                    engine, self.manager, self.gateway, wanted, running,
                    timeout_s=timeout_s, on_progress=self.console.progress,
                )  # fmt: skip
            entry = history.record(engine, name, _entry(wanted, self.who, note))
            kept = [one.image for one in history.entries(engine, name) if one.image]
            self.make_room(engine, name, kept)
        return Deployed(name, self.url(name), entry.commit, entry.image, True, entry.number)

    def make_room(self, engine: Engine, function: str, kept: Collection[str]) -> None:
        """Remove a function's images, all but those that are kept; that it cannot be done is only told.

        Args:
            engine: the manager's engine.
            function: the function's name.
            kept: references of the images to keep, by digest.
        """
        from piswarm.cluster.registry import collect_garbage, has_garbage_day  # noqa: PLC0415
        from piswarm.functions.prune import prune_function  # noqa: PLC0415

        try:
            prune_function(engine, self.manager, function, kept)
            if has_garbage_day(self.manager):
                with (
                    self.console.step("Start the registry anew, to free the space of old images"),
                    self.building("the registry, which is started anew", self.manager),
                ):
                    collect_garbage(self.manager)
        except PiswarmError as error:
            self.console.warn(str(error))

    def record_failure(self, function: str, *, commit: str, subject: str, author: str, reason: str) -> None:
        """Keep in the history that a version did not go live, and why.

        Args:
            function: the function's name.
            commit: full name of the commit.
            subject: first line of its message.
            author: who wrote it.
            reason: why it did not go live, in a sentence.
        """
        from piswarm.functions import history  # noqa: PLC0415
        from piswarm.functions.history import Entry  # noqa: PLC0415

        entry = Entry(0, commit, subject, author, _now(), self.who, image="", failure=reason)
        with self.engine() as engine:
            history.record(engine, function, entry)

    def open_pushes(self, function: str) -> list[OpenPush]:
        """Return the pushes of a function that wait, run, or failed without a word in the history."""
        from piswarm.functions.pushes import open_pushes  # noqa: PLC0415

        with self.engine() as engine:
            return open_pushes(engine, function)

    def history(self, function: str) -> list[Entry]:
        """Return the kept versions of a function, the newest first."""
        from piswarm.functions import history  # noqa: PLC0415

        with self.engine() as engine:
            return history.entries(engine, function)


@contextmanager
def open_site(cluster: Cluster, console: Console) -> Iterator[Site]:
    """Give a cluster to work at."""
    gateway = GatewayClient(cluster.gateway_url, *cluster.gateway_credentials)
    with closing(Site(cluster, console, gateway)) as site:
        yield site


def _entry(wanted: Mapping[str, Any], who: str, note: str) -> Entry:
    from piswarm.functions.history import Entry  # noqa: PLC0415

    annotations = wanted["annotations"]
    return Entry(
        number=0,
        commit=annotations[COMMIT],
        subject=annotations[SUBJECT],
        author=annotations[AUTHOR],
        at=_now(),
        by=who,
        image=wanted["image"],
        note=note,
        deployment=wanted,
    )
