"""A node's Docker Engine, through the Docker SDK over the node's SSH connection.

Each HTTP connection to the engine is a channel of the SSH connection that is open already, running
`docker system dial-stdio` there (the engine's own way in over SSH), so nothing listens on the network
and no second login is needed. The login user must be in the group `docker`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import docker
import paramiko
from docker.transport.basehttpadapter import BaseHTTPAdapter
from docker.transport.sshconn import SSHConnectionPool

from piswarm.cluster.connect import Connection
from piswarm.cluster.engine_errors import explained
from piswarm.secret import Secret

ENGINE_TIMEOUT_S = 60
_OLDEST_API = "1.41"
_NEWEST_API = "1.45"


class _ChannelAdapter(BaseHTTPAdapter):
    """Carries the SDK's requests over channels of one SSH client."""

    def __init__(self, client: paramiko.SSHClient, timeout_s: int) -> None:
        super().__init__()
        self._pool = SSHConnectionPool(ssh_client=client, timeout=timeout_s, host="engine")

    def get_connection(self, url: str | bytes, proxies: object = None) -> SSHConnectionPool:
        return self._pool

    def close(self) -> None:
        super().close()
        self._pool.close()


class Engine(docker.APIClient):
    """The low-level Docker SDK client of one node's engine.

    Args:
        connection: the open SSH connection to the node.
        timeout_s: seconds to wait for each answer.
    """

    def __init__(self, connection: Connection, timeout_s: int = ENGINE_TIMEOUT_S) -> None:
        super().__init__(base_url="http://engine:2375", version=_OLDEST_API, timeout=timeout_s)
        self.mount("http://", _ChannelAdapter(connection.client, timeout_s))
        newest = self.version(api_version=False)["ApiVersion"]
        self._version = min(newest, _NEWEST_API, key=_as_numbers)

    def use_registry(self, address: str, user: str, password: Secret) -> None:
        """Let services pull from a registry with this user and password.

        Args:
            address: the registry's name and port.
            user: user.
            password: password; it goes in a header of the requests that create services.
        """
        entry = {"username": user, "password": password.reveal(), "serveraddress": address}
        self._auth_configs.add_auth(address, entry)


@contextmanager
def engine_of(connection: Connection) -> Iterator[Engine]:
    """Give the engine of the node behind `connection`.

    Raises:
        SwarmError: the engine does not answer, or refuses what is asked of it in the `with` block.
    """
    hint = f"See 'systemctl status docker' there; user '{connection.login.user}' must be in group docker."
    with explained(connection.node, hint, paramiko.SSHException), closing(Engine(connection)) as engine:
        yield engine


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
