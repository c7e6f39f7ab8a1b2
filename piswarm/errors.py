"""What can be expected to go wrong, as one exception tree.

Every error carries what a user needs: a message (what failed, on which node, what was seen), a hint
(what to do now, one command where possible) and the exit code of the command line.
"""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class PiswarmError(Exception):
    """An expected failure, told in one sentence.

    Args:
        message: what failed, on which node, and what was observed.
        hint: what to do about it; empty when there is nothing useful to say.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PiswarmError):
    """The command line asks for something that cannot be meant."""

    exit_code = EXIT_USAGE


class ConfigError(PiswarmError):
    """A file or setting of the user's cannot be used."""


class DiscoveryError(PiswarmError):
    """No node was found, or what was found cannot be used."""


class ConnectError(PiswarmError):
    """A node cannot be reached, refuses us, or is not the node that we know."""


class LoginError(ConnectError):
    """A node answers but does not accept the login."""


class ProvisionError(PiswarmError):
    """A node could not be brought into the state that the plan asks for."""


class SwarmError(PiswarmError):
    """The Swarm, its stack or its registry is not what it must be."""


class SpecError(PiswarmError):
    """A function's file, name or source cannot be used."""


class BuildError(PiswarmError):
    """An image could not be built or pushed."""


class DeployError(PiswarmError):
    """A function could not be put live."""


class GatewayError(PiswarmError):
    """The gateway cannot be reached or refuses a request."""


class LabError(PiswarmError):
    """The lab on this machine could not be made, used or removed."""


class PartialError(PiswarmError):
    """Some nodes are done and some are not; the message names those that are not."""

    exit_code = EXIT_PARTIAL
