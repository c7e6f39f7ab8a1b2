"""The Debian mirror: the one that this machine's own apt uses, or the one that the user names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
_APT = Path("/etc/apt")
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+\S+", re.MULTILINE)
_URIS_FIELD = re.compile(r"^URIs:[ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Mirror:
    """Where Debian's packages come from.

    Attributes:
        main: address of the archive.
        security: address of the security archive; empty when this machine uses none.
    """

    main: str
    security: str = ""

    def sources(self) -> list[str]:
        """Return the lines of an apt `sources.list` for the release that the lab and the base image use."""
        lines = [f"deb {self.main} {SUITE} main", f"deb {self.main} {SUITE}-updates main"]
        if self.security:
            lines.append(f"deb {self.security} {SUITE}-security main")
        return lines


def find_mirror(texts: Iterable[str]) -> Mirror | None:
    """Return the Debian mirror that apt sources name, in one-line or in deb822 form.

    Args:
        texts: the contents of apt's sources files.

    Returns:
        The first archive whose address ends in `/debian`, and the first security archive;
        None when there is no archive.
    """
    uris = [uri.rstrip("/") for text in texts for uri in _uris(_without_comments(text))]
    main = next((uri for uri in uris if uri.endswith("/debian")), "")
    security = next((uri for uri in uris if uri.endswith("/debian-security")), "")
    return Mirror(main, security) if main else None


def read_mirror(environment: Mapping[str, str] | None = None, apt: Path = _APT) -> Mirror | None:
    """Return the mirror that `PISWARM_MIRROR` names, or else the one in this machine's apt sources."""
    env = os.environ if environment is None else environment
    if env.get("PISWARM_MIRROR"):
        return Mirror(env["PISWARM_MIRROR"].rstrip("/"))
    parts = sorted(apt.glob("sources.list.d/*.sources")) + sorted(apt.glob("sources.list.d/*.list"))
    files = [apt / "sources.list", *parts]
    return find_mirror(file.read_text() for file in files if file.is_file())


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _uris(text: str) -> list[str]:
    deb822 = [uri for field in _URIS_FIELD.findall(text) for uri in field.split()]
    return [*deb822, *_ONE_LINE.findall(text)]
