"""Passwords of nodes: from a file, from the environment, or asked for; never from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from piswarm.console import Console
from piswarm.errors import ConfigError
from piswarm.secret import Secret
from piswarm.settings import Settings

if TYPE_CHECKING:
    from piswarm.cluster.inventory import Cluster


@dataclass(frozen=True)
class Passwords:
    """What is known before anybody is asked.

    Attributes:
        ssh: the SSH password.
        sudo: the sudo password, where it differs.
    """

    ssh: Secret | None
    sudo: Secret | None


def read(file: Path | None, settings: Settings) -> Passwords:
    """Return the passwords of `file`, or those of the environment.

    Raises:
        ConfigError: the file cannot be read or is empty.
    """
    if file is None:
        return Passwords(settings.password, settings.sudo_password)
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise ConfigError(f"The password file {file} cannot be read ({error.strerror}).") from error
    if not lines or not lines[0]:
        raise ConfigError(f"The password file {file} is empty.", "Its first line is the SSH password.")
    return Passwords(Secret(lines[0]), Secret(lines[1]) if len(lines) > 1 and lines[1] else None)


def for_sudo(cluster: Cluster, file: Path | None, settings: Settings, console: Console) -> Secret | None:
    """Return what sudo asks for on the nodes; ask only where a node that answers wants it.

    Raises:
        ConfigError: the file cannot be read or is empty.
        UsageError: nobody can be asked.
    """
    from piswarm.cluster.members import needs_sudo_password  # noqa: PLC0415

    known = read(file, settings)
    password = known.sudo or known.ssh
    if password is None and needs_sudo_password(cluster):
        password = console.ask_secret("sudo password on the nodes", flag="--password-file")
    return password
