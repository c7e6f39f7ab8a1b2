"""`piswarm hook`: what a git server must be told so that a push puts a function live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from piswarm.errors import SpecError
from piswarm.functions.architectures import builders, check_built_by_one, wanted
from piswarm.functions.deployer import ensure_deployer
from piswarm.functions.remote import ManagerRepository
from piswarm.functions.version import annotation, find_stack_file_in
from piswarm.gateway.delivery import FILE, REF, REPOSITORY
from piswarm.gateway.signatures import hook_secret
from piswarm.secret import Secret

if TYPE_CHECKING:
    from piswarm.functions.site import Site

CONTENT_TYPE = "application/json"


@dataclass(frozen=True)
class Hook:
    """What a git server must be told.

    Attributes:
        function: the function that follows the pushes.
        url: where to send them.
        secret: what to sign them with.
        repository: the repository that the function is deployed from.
        branch: the branch whose pushes count.
    """

    function: str
    url: str
    secret: Secret
    repository: str
    branch: str


def make_hook(site: Site, function: str) -> Hook:
    """Have the cluster ready to deploy a function when its branch is pushed.

    Raises:
        GatewayError: there is no such function.
        SpecError: it was not deployed from a branch of a repository that describes it, or the manager cannot build
            it alone.
        BuildError: the manager cannot fetch the repository, or the deployer could not be made.
    """
    running = site.gateway.existing(function)
    url, ref = annotation(running, REPOSITORY), annotation(running, REF)
    if not url:
        raise SpecError(
            f"{function} was deployed from files here, and not from a repository that the cluster can fetch.",
            f"Push it to a git server, then: piswarm deploy {function} --repo URL --force",
        )
    repository = ManagerRepository(site.manager, function)
    with site.console.step(f"Fetch {url}"):
        find_stack_file_in(repository.fetch(url, ref), function, annotation(running, FILE))
        check_built_by_one(wanted(builders(site.cluster), running.get("constraints") or ()), site.cluster)
        branch = repository.branch(url, ref)
    ensure_deployer(site)
    _, password = site.gateway.credentials
    secret = Secret(hook_secret(function, password.reveal()))
    return Hook(function, f"{site.cluster.gateway_url}/system/hooks/git/{function}", secret, url, branch)
