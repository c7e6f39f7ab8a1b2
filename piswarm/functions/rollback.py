"""`piswarm rollback`: a version that was live answers again; nothing is built."""

from __future__ import annotations

from piswarm.errors import DeployError
from piswarm.functions import history
from piswarm.functions.history import Entry
from piswarm.functions.site import Deployed, Site
from piswarm.functions.version import FINGERPRINT, annotation


def rollback_function(site: Site, function: str, number: int, *, live_timeout_s: float) -> Deployed:
    """Go back to a version of a function.

    Args:
        site: where.
        function: the function's name.
        number: the version's number in the history; 0 for the one before.
        live_timeout_s: seconds until it is given up.

    Raises:
        GatewayError: there is no such function.
        DeployError: there is no such version, or it does not work; the version that was live still is.
    """
    running = site.gateway.existing(function)
    entry = _choose(site.history(function), function, str(running["image"]), number)
    wanted = str(entry.deployment["annotations"][FINGERPRINT])
    if entry.image == running["image"] and wanted == annotation(running, FINGERPRINT):
        return Deployed(function, site.url(function), entry.commit, entry.image, False, entry.number)
    site.console.note(f"Version {entry.number}: commit {entry.commit[:12]} ({entry.subject})")
    with site.deploying(function):
        return site.put_live(
            entry.deployment, running, live_timeout_s, note=f"back to version {entry.number}"
        )


def _choose(kept: list[Entry], function: str, live: str, number: int) -> Entry:
    entry = history.choose(kept, live, number)
    if entry is None:
        known = ", ".join(str(one.number) for one in kept) or "none"
        what = f"version {number}" if number else "version before the one that runs"
        raise DeployError(f"{function} has no {what}.", f"Kept versions: {known}.")
    if entry.failure:
        raise DeployError(
            f"Version {entry.number} of {function} never was live: {entry.failure}",
            f"See which were: piswarm history {function}",
        )
    return entry
