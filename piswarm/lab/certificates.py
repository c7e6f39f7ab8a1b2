"""The certificate authorities that this machine trusts, so that its nodes trust them too.

Behind an intercepting proxy a company's base image carries the company's authority; the lab's does the same.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

_SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def bundle_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return the file of this machine's trusted authorities: `SSL_CERT_FILE`, or Debian's bundle."""
    env = os.environ if environment is None else environment
    return Path(env.get("SSL_CERT_FILE") or _SYSTEM_BUNDLE)


def own_authorities(bundle: str, known: str) -> dict[str, str]:
    """Return the authorities of `bundle` that `known` lacks, one file each.

    Args:
        bundle: certificates in PEM form, any number.
        known: the certificates that need no adding, in the same form.

    Returns:
        File names that `update-ca-certificates` accepts, with the certificate in PEM form.
    """
    there = {_digest(certificate) for certificate in _CERTIFICATE.findall(known)}
    missing = {_digest(certificate): certificate for certificate in _CERTIFICATE.findall(bundle)}
    return {
        f"machine-{digest[:16]}.crt": certificate + "\n"
        for digest, certificate in sorted(missing.items())
        if digest not in there
    }


def _digest(certificate: str) -> str:
    return hashlib.sha256("".join(certificate.split()).encode()).hexdigest()
