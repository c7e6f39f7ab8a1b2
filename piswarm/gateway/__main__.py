"""Starting the gateway's parts inside their container.

`python3 -m piswarm.gateway prepare` writes the configuration that HAProxy starts with;
`python3 -m piswarm.gateway drain` closes HAProxy's ports and waits for the calls under way;
`python3 -m piswarm.gateway controller` runs the controller.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import partial

from piswarm.errors import EXIT_USAGE, PiswarmError
from piswarm.gateway.drain import drain
from piswarm.gateway.haproxy import HAProxy
from piswarm.gateway.haproxy_config import render
from piswarm.gateway.settings import GatewaySettings

_DRAIN_S = 5

log = logging.getLogger("piswarm.gateway")


def prepare(settings: GatewaySettings) -> None:
    """Write the configuration that HAProxy starts with."""
    HAProxy(settings.plane).prepare(render(None, settings.plane))


def end(settings: GatewaySettings) -> None:
    """Close HAProxy's ports and wait for the calls under way."""
    try:
        drain(settings.plane.master_socket)
    except OSError as exc:
        log.warning("HAProxy ends without having told which calls are under way: %s", exc)


def run_controller(settings: GatewaySettings) -> None:
    """Run the controller until it is told to end."""
    # Nothing else needs these, and they take a small board seconds to load.
    import uvicorn  # noqa: PLC0415

    from piswarm.gateway.app import create_app  # noqa: PLC0415
    from piswarm.gateway.authentication import Credentials  # noqa: PLC0415
    from piswarm.gateway.call_log import CallLog  # noqa: PLC0415
    from piswarm.gateway.follower import Follower  # noqa: PLC0415
    from piswarm.gateway.peers import addresses_of  # noqa: PLC0415
    from piswarm.gateway.swarm.connection import connect  # noqa: PLC0415
    from piswarm.gateway.tallier import Tallier  # noqa: PLC0415

    credentials = Credentials.from_files(settings.secrets)
    swarm = connect(settings)
    proxy = HAProxy(settings.plane)
    follower = Follower(swarm.functions, proxy, settings.plane, settings.refresh_s)
    host, port = settings.controller_address
    with CallLog(settings.plane.call_log) as call_log:
        tallier = Tallier(proxy, call_log, settings.plane.tallies_file)
        uvicorn.run(
            create_app(
                credentials,
                swarm,
                proxy,
                follower,
                tallier,
                find_gateways=partial(addresses_of, settings.peers, settings.port),
            ),
            host=host,
            port=port,
            log_level="info",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        tallier.save()


_PARTS = {"prepare": prepare, "drain": end, "controller": run_controller}


def main(arguments: list[str]) -> int:
    """Start the part that `arguments` name; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    part = _PARTS.get(arguments[0]) if len(arguments) == 1 else None
    if part is None:
        log.critical("Name the part to start: %s.", " or ".join(_PARTS))
        return EXIT_USAGE
    try:
        part(GatewaySettings.from_environment(os.environ))
    except PiswarmError as exc:
        log.critical("%s %s", exc.message, exc.hint)
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
