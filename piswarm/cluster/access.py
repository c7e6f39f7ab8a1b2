"""Getting into nodes: with the cluster's key where it is accepted, else with the password, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from piswarm.cluster.connect import Connection, Login, quote
from piswarm.cluster.discover import Sighting
from piswarm.cluster.probe import on_all
from piswarm.errors import LoginError, PiswarmError, ProvisionError
from piswarm.secret import Secret


@dataclass(frozen=True)
class Entry:
    """A node that let us in, or not.

    Attributes:
        connection: the connection, open unless there is an error.
        knows_key: whether the cluster's key opened it.
        error: why it could not be entered.
    """

    connection: Connection
    knows_key: bool = False
    error: PiswarmError | None = None


@contextmanager
def open_nodes(
    sightings: Sequence[Sighting], login: Login, ask_password: Callable[[], Secret]
) -> Iterator[list[Entry]]:
    """Open a connection to each node; all are closed at the end of the `with` block.

    Args:
        sightings: the nodes.
        login: with the cluster's key, and with the password where it is known.
        ask_password: is called at most once, when a node does not accept the key and no password is known.
    """
    entries = _enter(sightings, replace(login, password=None), knows_key=True) if login.key_file else []
    refused = [
        one for i, one in enumerate(sightings) if not entries or isinstance(entries[i].error, LoginError)
    ]
    try:
        if refused:
            password = login.password or ask_password()
            sudo_password = login.sudo_password or password
            with_password = replace(login, key_file=None, password=password, sudo_password=sudo_password)
            second = dict(zip(refused, _enter(refused, with_password, knows_key=False), strict=True))
            first = dict(zip(sightings, entries, strict=False))
            entries = [second.get(one) or first[one] for one in sightings]
        yield entries
    finally:
        for entry in entries:
            entry.connection.close()


def _enter(sightings: Sequence[Sighting], login: Login, *, knows_key: bool) -> list[Entry]:
    connections = [Connection(one.name, one.address, login) for one in sightings]
    return [
        Entry(connection, knows_key, result.error)
        for connection, result in zip(connections, on_all(connections, Connection.open), strict=True)
    ]


def install_key(connection: Connection, public_key: str) -> None:
    """Let the cluster's key open the node from now on; a second time changes nothing.

    Raises:
        ConnectError: the connection broke or the file cannot be written.
    """
    line = quote(public_key)
    connection.run(
        "umask 077; mkdir -p ~/.ssh && touch ~/.ssh/authorized_keys && "
        f"{{ grep -qxF -e {line} ~/.ssh/authorized_keys || echo {line} >> ~/.ssh/authorized_keys; }}",
        timeout_s=30,
    )


def switch_to_key(connection: Connection, login: Login) -> None:
    """Close the connection and open it again with the cluster's key, and with the user's groups of now.

    Raises:
        ProvisionError: the node does not accept the key.
        ConnectError: it cannot be reached.
    """
    connection.close()
    sudo_password = connection.login.sudo_password or login.sudo_password
    connection.login = replace(login, password=None, sudo_password=sudo_password)
    try:
        connection.open()
    except LoginError as error:
        raise ProvisionError(
            f"{connection.node}: the cluster's key was installed, but sshd does not accept it.",
            "See 'journalctl -u ssh' there; PubkeyAuthentication must be on and the home folder not world-writable.",
        ) from error
