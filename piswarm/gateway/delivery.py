"""What the gateway hands to the deployer: which function, and what was pushed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

REPOSITORY = "piswarm.repository"
REF = "piswarm.ref"
FILE = "piswarm.file"
"""Annotations of a function whose source the manager fetches: where it is, which branch, which file describes it."""

VARIABLE = "PISWARM_DELIVERY"
"""The deployer's environment variable that holds a delivery."""

DEPLOYER_LABEL = "piswarm.deployer"
"""Marks the Swarm config that says what the deployer is run from: `image` and `user` (its id), as JSON."""


@dataclass(frozen=True)
class Delivery:
    """A push that a function is to follow.

    Attributes:
        function: the function's name.
        commit: full name of the commit that was pushed.
        subject: first line of its message.
        author: who wrote it.
        pusher: who pushed it.
    """

    function: str
    commit: str
    subject: str
    author: str
    pusher: str

    def to_text(self) -> str:
        """Return the delivery as the deployer reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Delivery:
        """Return the delivery that `to_text` wrote."""
        return cls(**json.loads(text))
