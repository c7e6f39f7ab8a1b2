"""What is done to the manifests of a repository in the cluster's registry: deleting, and joining to an index.

This file runs on a manager, by the Python that is there: it uses the standard library only, and what `piswarm init`
has put on the node. It speaks the API of https://distribution.github.io/distribution/spec/api/.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

_TIMEOUT_S = 60
_OK, _CREATED, _ACCEPTED, _GONE = 200, 201, 202, 404
_DIGEST, _KIND = "docker-content-digest", "content-type"
_OCI_INDEX, _OCI_IMAGE = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"


class Answer(NamedTuple):
    """What the registry answers: the status, the headers by their names in small letters, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Ask(Protocol):
    """Sends a request to the registry."""

    def __call__(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Answer:
        """Return the answer to a request with a method, a path, and perhaps a body of a media type."""


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


def join(ask: Ask, repository: str, tag: str, parts: Sequence[Mapping[str, Any]]) -> str:
    """Make an index of images that are there, and give it a tag.

    Args:
        ask: sends a request.
        repository: the repository's name.
        tag: the tag.
        parts: the `digest` and the `platform` of each image, as an index has them.

    Returns:
        The index's digest.

    Raises:
        OSError: an image is not there, or the registry answers something else than it should.
    """
    path = f"/v2/{repository}/manifests"
    listed = []
    for part in parts:
        answer = _sent(ask, "GET", f"{path}/{part['digest']}", _OK)
        if answer.status == _GONE:
            raise OSError(f"there is no {repository}@{part['digest']} in the registry")
        listed.append({"mediaType": answer.headers[_KIND], "size": len(answer.body), **part})
    of_docker = all(one["mediaType"] == _DOCKER_IMAGE for one in listed)
    kind = _DOCKER_LIST if of_docker else _OCI_INDEX
    index = {"schemaVersion": 2, "mediaType": kind, "manifests": listed}
    return _sent(ask, "PUT", f"{path}/{tag}", _CREATED, json.dumps(index).encode(), kind).headers[_DIGEST]


def _parts(ask: Ask, path: str) -> list[str]:
    return [str(one["digest"]) for one in _document(ask, path).get("manifests") or []]


def _document(ask: Ask, path: str) -> dict[str, Any]:
    answer = _sent(ask, "GET", path, _OK)
    document: dict[str, Any] = json.loads(answer.body) if answer.status == _OK else {}
    return document


def _sent(ask: Ask, method: str, path: str, expected: int, body: bytes = b"", kind: str = "") -> Answer:
    answer = ask(method, path, body, kind)
    if answer.status not in (expected, _GONE):
        said = " ".join(answer.body.decode(errors="replace").split())
        raise OSError(f"{method} {path}: the registry answers {answer.status} {said}"[:400])
    return answer


def main(registry: str, state_dir: str, wish: str) -> None:
    """Do what is wished, and print the digests that came of it.

    Args:
        registry: the registry's name and port.
        state_dir: folder of piswarm's state on the node.
        wish: as JSON: the `repository`, and the digests `needed`, or the `tag` for an index and its `parts`.
    """
    with open(f"{state_dir}/docker/config.json") as file:  # noqa: PTH123  (one import less on a slow board)
        token = json.load(file)["auths"][registry]["auth"]
    trust = ssl.create_default_context(cafile=f"/etc/docker/certs.d/{registry}/ca.crt")
    connection = http.client.HTTPSConnection(registry, context=trust, timeout=_TIMEOUT_S)

    def ask(method: str, path: str, body: bytes = b"", kind: str = "") -> Answer:
        kinds = ", ".join((_OCI_INDEX, _OCI_IMAGE, _DOCKER_LIST, _DOCKER_IMAGE))
        sent = {
            "Authorization": f"Basic {token}",
            "Accept": kinds,
            **({"Content-Type": kind} if kind else {}),
        }
        connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())

    asked = json.loads(wish)
    if "needed" in asked:
        digests = delete_unneeded(ask, asked["repository"], asked["needed"])
    else:
        digests = [join(ask, asked["repository"], asked["tag"], asked["parts"])]
    sys.stdout.write("".join(f"{digest}\n" for digest in digests))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, http.client.HTTPException) as error:
        sys.exit(str(error))
