"""What the cluster trusts: its SSH key, its certificate authority, its passwords.

Everything is made once, kept in the cluster's folder, and read from there afterwards.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from piswarm.cluster.inventory import write_file

_AUTHORITY_YEARS = 20
_PRIVATE = 0o600


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM.

    Attributes:
        certificate: the certificate.
        private_key: the private key; a secret.
    """

    certificate: bytes
    private_key: bytes

    def __repr__(self) -> str:
        return "KeyPair(********)"


def ensure_ssh_key(directory: Path, comment: str) -> str:
    """Return the public SSH key of the cluster, making the pair when there is none.

    Args:
        directory: the cluster's folder.
        comment: what the key is called in `authorized_keys`.
    """
    private, public = directory / "id_ed25519", directory / "id_ed25519.pub"
    if not (private.exists() and public.exists()):
        key = ed25519.Ed25519PrivateKey.generate()
        line = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        write_file(private, _private_bytes(key, serialization.PrivateFormat.OpenSSH), _PRIVATE)
        write_file(public, line + f" {comment}\n".encode())
    return public.read_text().strip()


def ensure_authority(directory: Path, cluster: str) -> KeyPair:
    """Return the certificate authority of the cluster, making it when there is none.

    Args:
        directory: the cluster's folder.
        cluster: the cluster's name, for the certificate's subject.
    """
    certificate, private = directory / "ca.crt", directory / "ca.key"
    if not (certificate.exists() and private.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"piswarm {cluster} authority")])
        built = (
            _certificate(subject, subject, key.public_key(), key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_file(private, _private_bytes(key), _PRIVATE)
        write_file(certificate, built.public_bytes(serialization.Encoding.PEM))
    return KeyPair(certificate.read_bytes(), private.read_bytes())


def ensure_server_certificate(directory: Path, stem: str, authority: KeyPair, names: list[str]) -> KeyPair:
    """Return a server's certificate for `names`, making it when there is none or the names changed.

    Args:
        directory: the cluster's folder.
        stem: file name without its ending, for example `registry`.
        authority: the cluster's authority, which signs it.
        names: host names and IP addresses that the server is reached by.
    """
    certificate, private = directory / f"{stem}.crt", directory / f"{stem}.key"
    if not (certificate.exists() and private.exists() and _names_of(certificate.read_bytes()) == set(names)):
        signer = serialization.load_pem_private_key(authority.private_key, password=None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)  # noqa: S101  (we made it so)
        issuer = x509.load_pem_x509_certificate(authority.certificate).subject
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        built = (
            _certificate(subject, issuer, key.public_key(), signer.public_key())
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        write_file(private, _private_bytes(key), _PRIVATE)
        write_file(certificate, built.public_bytes(serialization.Encoding.PEM))
    return KeyPair(certificate.read_bytes(), private.read_bytes())


def ensure_credentials(directory: Path) -> dict[str, dict[str, str]]:
    """Return users and passwords of the gateway and the registry, making them when there are none.

    The registry's entry also holds its `htpasswd` line (bcrypt, the only form that the registry takes),
    so that it stays the same from run to run.
    """
    path = directory / "credentials.json"
    if not path.exists():
        registry_password = secrets.token_urlsafe(24)
        hashed = bcrypt.hashpw(registry_password.encode(), bcrypt.gensalt(rounds=8, prefix=b"2a"))
        credentials = {
            "gateway": {"user": "admin", "password": secrets.token_urlsafe(18)},
            "registry": {
                "user": "piswarm",
                "password": registry_password,
                "htpasswd": f"piswarm:{hashed.decode()}\n",
            },
        }
        write_file(path, json.dumps(credentials, indent=2) + "\n", _PRIVATE)
    loaded: dict[str, dict[str, str]] = json.loads(path.read_text())
    return loaded


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    # Valid from a day ago: a Pi without a clock battery may believe in yesterday until its time is set.
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=365 * _AUTHORITY_YEARS))
        # Strict clients, such as Python from 3.13 on, refuse certificates without these two.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private_bytes(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: bytes) -> set[str]:
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}
