"""Where things live on the user's disk, and the environment variables that change it.

| variable                 | meaning                                                    |
|--------------------------|------------------------------------------------------------|
| `PISWARM_HOME`           | records of clusters (default `$XDG_CONFIG_HOME/piswarm`)   |
| `PISWARM_CACHE`          | what can be made again (default `$XDG_CACHE_HOME/piswarm`) |
| `PISWARM_CLUSTER`        | the cluster to use (default: the one used last)            |
| `PISWARM_PASSWORD`       | SSH password for `init`                                    |
| `PISWARM_SUDO_PASSWORD`  | sudo password for `init` (default: the SSH password)       |
| `PISWARM_LAB`            | the lab to use (default: `lab`)                            |
| `PISWARM_MIRROR`         | Debian mirror for the lab (default: this machine's own)    |
| `PISWARM_MITOGEN`        | `0`: run Ansible without Mitogen (slower)                  |
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from piswarm.errors import ConfigError
from piswarm.secret import Secret

PACKAGE = Path(__file__).resolve().parent
_CLUSTER_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def _data_root() -> Path:
    """Return the folder that holds `playbooks/` and `stacks/`: in the wheel, or in the checkout."""
    packaged = PACKAGE / "_data"
    return packaged if packaged.is_dir() else PACKAGE.parent


PLAYBOOKS = _data_root() / "playbooks"
STACKS = _data_root() / "stacks"


@dataclass(frozen=True)
class Settings:
    """The user's side of piswarm, read once from the environment.

    Attributes:
        home: folder of the clusters' records, one folder per cluster.
        cache: folder of things that can be made again.
        chosen_cluster: the cluster named by the environment, or an empty string.
        password: SSH password from the environment, if any.
        sudo_password: sudo password from the environment, if any.
    """

    home: Path
    cache: Path
    chosen_cluster: str = ""
    password: Secret | None = None
    sudo_password: Secret | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `environment` (default: the process's own)."""
        env = os.environ if environment is None else environment
        user = Path(env.get("HOME") or Path.home())
        config = Path(env.get("XDG_CONFIG_HOME") or user / ".config")
        cache = Path(env.get("XDG_CACHE_HOME") or user / ".cache")
        return cls(
            home=Path(env.get("PISWARM_HOME") or config / "piswarm"),
            cache=Path(env.get("PISWARM_CACHE") or cache / "piswarm"),
            chosen_cluster=env.get("PISWARM_CLUSTER", ""),
            password=_secret(env.get("PISWARM_PASSWORD")),
            sudo_password=_secret(env.get("PISWARM_SUDO_PASSWORD")),
        )

    def cluster_dir(self, name: str) -> Path:
        """Return the folder of the cluster `name`.

        Raises:
            ConfigError: the name is not lower-case letters, digits and inner hyphens.
        """
        if not _CLUSTER_NAME.fullmatch(name):
            raise ConfigError(
                f"'{name}' cannot be the name of a cluster.",
                "Use lower-case letters, digits and hyphens, 32 at most: for example 'home'.",
            )
        return self.home / "clusters" / name

    def known_clusters(self) -> list[str]:
        """Return the names of the clusters that have a record here, sorted."""
        return sorted(path.parent.name for path in self.home.glob("clusters/*/inventory.yml"))

    @property
    def current_file(self) -> Path:
        """Return the file that names the cluster used last."""
        return self.home / "current"


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None
