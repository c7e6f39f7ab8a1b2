"""What the gateway's API refuses, each with its HTTP status.

The text of a fault is the body of the answer, as OpenFaaS's clients show it.
"""

from __future__ import annotations

from piswarm.errors import PiswarmError


class Fault(PiswarmError):  # noqa: N818  (a refusal is part of the API)
    """A request that is not carried out; the message says why."""

    status = 500


class BadRequest(Fault):
    """The request cannot be meant as it stands."""

    status = 400


class Unauthorized(Fault):
    """The request does not prove who sends it."""

    status = 401


class NotFound(Fault):
    """There is no such thing in this cluster."""

    status = 404


class Conflict(Fault):
    """Somebody else changed the same thing at the same time."""

    status = 409


class NotOffered(Fault):
    """The contract knows this, this gateway does not offer it."""

    status = 501


class Unavailable(Fault):
    """It would work, but not now."""

    status = 503


class Overtaken(Conflict):
    """Somebody else changed the same thing first; a fresh attempt may succeed."""
