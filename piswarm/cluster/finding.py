"""What was found on a node or in a cluster: how bad it is, one sentence, one remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, WARNING, FAULT = "ok", "warning", "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was found on a node.

    Attributes:
        level: `ok`, `warning` or `fault`; a fault stops `init`.
        node: name of the node; empty for the cluster as a whole.
        check: short name of the check.
        sentence: what was found.
        remedy: what to do about it.
    """

    level: str
    node: str
    check: str
    sentence: str
    remedy: str = ""


def faults(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that stop `init`."""
    return [found for found in findings if found.level == FAULT]
