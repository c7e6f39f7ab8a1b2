"""Who may tell that a repository was pushed: git servers sign what they send with the function's own secret.

The headers, as the servers' documentation names them:

| server | header | what is in it |
|---|---|---|
| GitHub, Gitea, Forgejo | `X-Hub-Signature-256` | `sha256=` and the HMAC-SHA256 of the body, in hex |
| Gitea, Forgejo | `X-Gitea-Signature` | the HMAC-SHA256 of the body, in hex |
| Gogs, Gitea, Forgejo | `X-Gogs-Signature` | the same |
| GitLab | `X-Gitlab-Token` | the secret itself |

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
https://docs.gitea.com/usage/repository/webhooks
https://gogs.io/docs/features/webhook
https://docs.gitlab.com/user/project/integrations/webhooks/
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping


def hook_secret(function: str, password: str) -> str:
    """Return the secret with which pushes for a function are signed.

    It follows from the gateway's password, so that nobody has to keep it, and it opens nothing but this hook.

    Args:
        function: the function's name.
        password: the password of the gateway's user.
    """
    return _hmac(password.encode(), f"piswarm hook {function}".encode())


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Return whether a request bears a signature, and none that does not fit.

    Args:
        headers: the request's headers, found whatever the case of their names.
        body: the request's body.
        secret: what it must be signed with.
    """
    digest = _hmac(secret.encode(), body)
    expected = {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-Gitea-Signature": digest,
        "X-Gogs-Signature": digest,
        "X-Gitlab-Token": secret,
    }
    fits = [
        hmac.compare_digest(headers[name].encode(), signature.encode())
        for name, signature in expected.items()
        if name in headers
    ]
    return bool(fits) and all(fits)


def _hmac(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()
