"""Deleting the manifests of a repository in the cluster's registry, all but those that are needed.

This file runs on a manager, by the Python that is there: it uses the standard library only, and what `piswarm init`
has put on the node. It speaks the API of https://distribution.github.io/distribution/spec/api/.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

_TIMEOUT_S = 60
_OK, _ACCEPTED, _GONE = 200, 202, 404
_DIGEST = "docker-content-digest"
_KINDS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class Answer(NamedTuple):
    """What the registry answers: the status, the headers by their names in small letters, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[[str, str], Answer]
"""Sends a request to the registry, given its method and path."""


def delete_unneeded(ask: Ask, repository: str, needed: Sequence[str]) -> list[str]:
    """Delete every manifest that has a tag, but those that are needed.

    Args:
        ask: sends a request.
        repository: the repository's name.
        needed: digests of manifests; what an index among them lists is needed, too.

    Returns:
        The digests that were deleted.

    Raises:
        OSError: the registry answers something else than it should.
    """
    path = f"/v2/{repository}/manifests"
    kept = {*needed, *(part for one in needed for part in _parts(ask, f"{path}/{one}"))}
    tags = _document(ask, f"/v2/{repository}/tags/list").get("tags") or []
    digests = {_sent(ask, "HEAD", f"{path}/{tag}", _OK).headers.get(_DIGEST, "") for tag in tags} - {""}
    unneeded = sorted(digests - kept)
    for digest in unneeded:
        _sent(ask, "DELETE", f"{path}/{digest}", _ACCEPTED)
    return unneeded


def _parts(ask: Ask, path: str) -> list[str]:
    return [str(one["digest"]) for one in _document(ask, path).get("manifests") or []]


def _document(ask: Ask, path: str) -> dict[str, Any]:
    answer = _sent(ask, "GET", path, _OK)
    document: dict[str, Any] = json.loads(answer.body) if answer.status == _OK else {}
    return document


def _sent(ask: Ask, method: str, path: str, expected: int) -> Answer:
    answer = ask(method, path)
    if answer.status not in (expected, _GONE):
        said = " ".join(answer.body.decode(errors="replace").split())
        raise OSError(f"{method} {path}: the registry answers {answer.status} {said}"[:400])
    return answer


def main(registry: str, state_dir: str, repository: str, *needed: str) -> None:
    """Delete what is not needed, and print the digests of that.

    Args:
        registry: the registry's name and port.
        state_dir: folder of piswarm's state on the node.
        repository: the repository's name.
        needed: digests of the manifests that are needed.
    """
    with open(f"{state_dir}/docker/config.json") as file:  # noqa: PTH123  (one import less on a slow board)
        token = json.load(file)["auths"][registry]["auth"]
    trust = ssl.create_default_context(cafile=f"/etc/docker/certs.d/{registry}/ca.crt")
    connection = http.client.HTTPSConnection(registry, context=trust, timeout=_TIMEOUT_S)

    def ask(method: str, path: str) -> Answer:
        connection.request(method, path, headers={"Authorization": f"Basic {token}", "Accept": _KINDS})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())

    for digest in delete_unneeded(ask, repository, needed):
        sys.stdout.write(f"{digest}\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, http.client.HTTPException) as error:
        sys.exit(str(error))
