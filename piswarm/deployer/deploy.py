"""What was pushed goes live: the story of `piswarm deploy`, told by the manager, and its end kept in the history."""

from __future__ import annotations

from pathlib import Path

from piswarm.errors import DeployError, PiswarmError
from piswarm.functions.deploy import Wish, deploy_function
from piswarm.functions.lock import exclusive, pushes_of
from piswarm.functions.site import LOCK_TIMEOUT_S, Deployed, Site
from piswarm.functions.version import annotation
from piswarm.gateway.delivery import FILE, REF, REPOSITORY, Delivery


def deploy_delivery(site: Site, delivery: Delivery) -> Deployed | None:
    """Deploy what the branch of a function holds now.

    One push after the other: the next one is fetched when the one before has come to its end, so that an older
    commit never replaces a newer one.

    Args:
        site: where.
        delivery: what was pushed.

    Returns:
        What is live; None when it failed, which the history tells then.
    """
    try:
        with exclusive(
            site.manager, pushes_of(delivery.function), site.who, timeout_s=LOCK_TIMEOUT_S,
            on_wait=lambda holder: site.console.note(f"waiting for the push of {holder}"),
        ):  # fmt: skip
            return deploy_function(site, _wish(site, delivery.function))
    except PiswarmError as error:
        site.console.error(error)
        record_failure(site, delivery, error.message)
        return None


def record_failure(site: Site, delivery: Delivery, reason: str) -> None:
    """Keep in the function's history that what was pushed did not go live."""
    site.record_failure(
        delivery.function,
        commit=delivery.commit,
        subject=delivery.subject,
        author=delivery.author,
        reason=" ".join(reason.split()),
    )


def _wish(site: Site, function: str) -> Wish:
    """Return the wish for the newest commit where the running version comes from.

    Raises:
        GatewayError: there is no such function.
        DeployError: it was deployed from somewhere else in the meantime.
    """
    running = site.gateway.existing(function)
    repository = annotation(running, REPOSITORY)
    if not repository:
        raise DeployError(
            f"{function} was deployed from files elsewhere in the meantime, so this push does not count.",
            f"Let pushes count again: piswarm deploy {function} --repo URL --force",
        )
    return Wish(
        function,
        Path(),
        file=annotation(running, FILE),
        repo=repository,
        ref=annotation(running, REF),
    )
