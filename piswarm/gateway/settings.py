"""The gateway's settings, read once from the environment.

| variable                     | meaning                                            | default                |
|------------------------------|----------------------------------------------------|------------------------|
| `PISWARM_GATEWAY_BIND`       | address and port that HAProxy serves clients on    | `:8080`                |
| `PISWARM_GATEWAY_METRICS`    | address and port that HAProxy serves metrics on    | `:8082`                |
| `PISWARM_GATEWAY_CONTROLLER` | loopback address and port of the controller        | `127.0.0.1:8081`       |
| `PISWARM_GATEWAY_RESOLVER`   | DNS server that knows `tasks.<function>`           | `127.0.0.11:53`        |
| `PISWARM_GATEWAY_ENGINE`     | path of the engine's socket                        | `/var/run/docker.sock` |
| `PISWARM_GATEWAY_NETWORK`    | overlay network of the functions                   | `piswarm_functions`    |
| `PISWARM_GATEWAY_PEERS`      | name that the DNS has for all managers' gateways   | `tasks.piswarm_gateway`|
| `PISWARM_GATEWAY_RUN`        | folder of sockets and of HAProxy's configuration   | `/run/piswarm`         |
| `PISWARM_GATEWAY_SECRETS`    | folder of the secret files                         | `/run/secrets`         |
| `PISWARM_GATEWAY_REFRESH_S`  | seconds between two looks at the Swarm at the most | `10`                   |

The secret files are `basic-auth-user`, `basic-auth-password` and, where the cluster has a registry with a
password, `registry-config.json` (Docker's `config.json`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from piswarm.errors import ConfigError
from piswarm.gateway.haproxy_config import DataPlane


@dataclass(frozen=True)
class GatewaySettings:
    """What the gateway is told when it starts.

    Attributes:
        plane: HAProxy's addresses and files.
        engine_socket: path of the engine's socket.
        network: overlay network that functions are attached to.
        peers: name that the DNS answers with the addresses of all managers' gateways.
        secrets: folder of the secret files.
        refresh_s: seconds between two looks at the Swarm when no event asks for one.
    """

    plane: DataPlane
    engine_socket: str
    network: str
    peers: str
    secrets: Path
    refresh_s: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> GatewaySettings:
        """Read the settings.

        Raises:
            ConfigError: a value cannot be used; the message names the variable.
        """
        plane = DataPlane(
            bind=environment.get("PISWARM_GATEWAY_BIND", DataPlane.bind),
            metrics_bind=environment.get("PISWARM_GATEWAY_METRICS", DataPlane.metrics_bind),
            controller=environment.get("PISWARM_GATEWAY_CONTROLLER", DataPlane.controller),
            resolver=environment.get("PISWARM_GATEWAY_RESOLVER", DataPlane.resolver),
            run_directory=Path(environment.get("PISWARM_GATEWAY_RUN", DataPlane.run_directory)),
        )
        for variable, address in (
            ("PISWARM_GATEWAY_BIND", plane.bind),
            ("PISWARM_GATEWAY_METRICS", plane.metrics_bind),
            ("PISWARM_GATEWAY_CONTROLLER", plane.controller),
            ("PISWARM_GATEWAY_RESOLVER", plane.resolver),
        ):
            _port(variable, address)
        return cls(
            plane=plane,
            engine_socket=environment.get("PISWARM_GATEWAY_ENGINE", "/var/run/docker.sock"),
            network=environment.get("PISWARM_GATEWAY_NETWORK", "piswarm_functions"),
            peers=environment.get("PISWARM_GATEWAY_PEERS", "tasks.piswarm_gateway"),
            secrets=Path(environment.get("PISWARM_GATEWAY_SECRETS", "/run/secrets")),
            refresh_s=_seconds(
                "PISWARM_GATEWAY_REFRESH_S", environment.get("PISWARM_GATEWAY_REFRESH_S", "10")
            ),
        )

    @property
    def port(self) -> int:
        """Return the port that HAProxy serves clients on."""
        return _port("PISWARM_GATEWAY_BIND", self.plane.bind)

    @property
    def controller_address(self) -> tuple[str, int]:
        """Return host and port that the controller listens on."""
        host, _, _ = self.plane.controller.rpartition(":")
        return host, _port("PISWARM_GATEWAY_CONTROLLER", self.plane.controller)

    @property
    def registry_config(self) -> Path | None:
        """Return the file with the registry's credentials, if there is one."""
        path = self.secrets / "registry-config.json"
        return path if path.exists() else None


def _port(variable: str, address: str) -> int:
    port = address.rpartition(":")[2]
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(
            f"{variable} is '{address}', which does not end in a port.", f"Set {variable} to ADDRESS:PORT."
        )
    return int(port)


def _seconds(variable: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as exc:
        raise ConfigError(
            f"{variable} is '{text}', which is not a number.", f"Set {variable} to seconds."
        ) from exc
    if not 0 < seconds < 3600:
        raise ConfigError(f"{variable} is '{text}', not between 0 and 3600.", f"Set {variable} to seconds.")
    return seconds
