"""Getting into nodes: with the cluster's key where it is accepted, else with the password, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from piswarm.cluster.connect import Connection, Login, quote
from piswarm.cluster.discover import Sighting
from piswarm.cluster.probe import on_all
from piswarm.errors import ConnectError, LoginError, PiswarmError, ProvisionError
from piswarm.secret import Secret


@dataclass(frozen=True)
class Entry:
    """A node that let us in.

    Attributes:
        connection: the open connection.
        knows_key: whether the cluster's key opened it.
    """

    connection: Connection
    knows_key: bool


@contextmanager
def open_nodes(
    sightings: Sequence[Sighting], login: Login, ask_password: Callable[[], Secret]
) -> Iterator[list[Entry]]:
    """Open a connection to each node; all are closed at the end of the `with` block.

    Args:
        sightings: the nodes.
        login: with the cluster's key, and with the password where it is known.
        ask_password: is called at most once, when a node does not accept the key and no password is known.

    Raises:
        ConnectError: nodes cannot be reached or refuse the login; the message names all of them.
    """
    opened: list[Connection] = []
    try:
        entries = _enter_with_key(sightings, login, opened)
        outside = [one for one, entry in zip(sightings, entries, strict=True) if entry is None]
        inside = iter(_enter_with_password(outside, login, ask_password, opened) if outside else ())
        yield [entry or next(inside) for entry in entries]
    finally:
        for connection in opened:
            connection.close()


def _enter_with_key(
    sightings: Sequence[Sighting], login: Login, opened: list[Connection]
) -> list[Entry | None]:
    """Return an entry for each node that accepts the key, None for each that wants the password."""
    if login.key_file is None or not login.key_file.exists():
        return [None] * len(sightings)
    connections = [Connection(one.name, one.address, replace(login, password=None)) for one in sightings]
    opened += connections
    results = on_all(connections, Connection.open)
    _raise_any([one.error for one in results if one.error and not isinstance(one.error, LoginError)])
    return [
        None if result.error else Entry(connection, knows_key=True)
        for connection, result in zip(connections, results, strict=True)
    ]


def _enter_with_password(
    sightings: Sequence[Sighting], login: Login, ask_password: Callable[[], Secret], opened: list[Connection]
) -> list[Entry]:
    password = login.password or ask_password()
    with_password = replace(
        login, key_file=None, password=password, sudo_password=login.sudo_password or password
    )
    connections = [Connection(one.name, one.address, with_password) for one in sightings]
    opened += connections
    _raise_any([one.error for one in on_all(connections, Connection.open) if one.error])
    return [Entry(connection, knows_key=False) for connection in connections]


def install_key(connection: Connection, public_key: str) -> None:
    """Let the cluster's key open the node from now on; a second time changes nothing.

    Raises:
        ProvisionError: the node still does not accept the key.
        ConnectError: the connection broke.
    """
    line = quote(public_key)
    connection.run(
        "umask 077; mkdir -p ~/.ssh && touch ~/.ssh/authorized_keys && "
        f"{{ grep -qxF -e {line} ~/.ssh/authorized_keys || echo {line} >> ~/.ssh/authorized_keys; }}",
        timeout_s=30,
    )


def switch_to_key(connection: Connection, login: Login) -> None:
    """Close the connection and open it again with the cluster's key (and with the groups of now).

    Raises:
        ProvisionError: the node does not accept the key.
        ConnectError: it cannot be reached.
    """
    connection.close()
    connection.login = replace(
        login, password=None, sudo_password=connection.login.sudo_password or login.sudo_password
    )
    try:
        connection.open()
    except LoginError as error:
        raise ProvisionError(
            f"{connection.node}: the cluster's key was installed, but sshd does not accept it.",
            "See 'journalctl -u ssh' there; PubkeyAuthentication must be on and the home folder not world-writable.",
        ) from error


def _raise_any(errors: Sequence[PiswarmError]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        told = "\n  ".join(error.message for error in errors)
        raise ConnectError(f"{len(errors)} nodes could not be entered:\n  {told}", errors[0].hint)
