"""Hooks: git servers tell of a push, and the function is deployed anew."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from piswarm.gateway.api.body import read_body
from piswarm.gateway.authentication import Credentials
from piswarm.gateway.delivery import REF, REPOSITORY, Delivery
from piswarm.gateway.deployment import parse_document, without_namespace
from piswarm.gateway.faults import BadRequest, Conflict, Unauthorized
from piswarm.gateway.push import BRANCHES, Push, is_push, read_event, read_push
from piswarm.gateway.signatures import hook_secret, is_signed
from piswarm.gateway.swarm import Deployer, Functions

MAX_BYTES = 4 * 2**20
"""GitHub lists up to 2048 commits in one push."""
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class HooksApi:
    """The route that git servers call.

    Attributes:
        credentials: what the functions' secrets follow from.
        functions: the functions.
        deployer: what deploys them.
    """

    credentials: Credentials
    functions: Functions
    deployer: Deployer

    async def git(self, request: Request) -> Response:
        """Have a function deployed when its branch was pushed; answer at once."""
        name = without_namespace(request.path_params["name"])
        body = await read_body(request, MAX_BYTES)
        if not is_signed(request.headers, body, hook_secret(name, self.credentials.password)):
            raise Unauthorized(
                f"The signature is not that of {name}'s secret; 'piswarm hook {name}' shows it."
            )
        event = read_event(request.headers)
        if not is_push(event):
            return _ignored(name, f"The hook works; '{event}' is no push, so there is nothing to do.")
        if request.headers.get("Content-Type", "").startswith(_FORM):
            raise BadRequest("The push is sent as a form: set the hook's content type to application/json.")
        push = read_push(parse_document(body))
        branch = await self._branch(name, push)
        if push.branch != branch:
            return _ignored(name, f"Not {branch} was pushed, which {name} follows.")
        if push.is_deletion:
            return _ignored(name, f"{branch} was deleted; {name} stays as it is.")
        delivery = Delivery(name, push.commit, push.subject, push.author, push.pusher)
        is_new = await run_in_threadpool(self.deployer.start, delivery)
        status = "accepted" if is_new else "accepted before"
        return JSONResponse({"function": name, "commit": push.commit, "status": status}, 202)

    async def _branch(self, name: str, push: Push) -> str:
        """Return the branch that a function follows."""
        function = await run_in_threadpool(self.functions.one, name)
        annotations = function.spec.annotations
        if REPOSITORY not in annotations:
            raise Conflict(
                f"{name} was not deployed from a repository that the cluster can fetch: "
                f"piswarm deploy {name} --repo URL --force"
            )
        branch = annotations.get(REF, "").removeprefix(BRANCHES) or push.default_branch
        if not branch:
            raise BadRequest(f"{name} follows the default branch, and the push does not say which that is.")
        return branch


def _ignored(name: str, reason: str) -> Response:
    return JSONResponse({"function": name, "status": "ignored", "reason": reason})
