import json

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from cryptography.x509.verification import PolicyBuilder, Store

from piswarm.cluster.trust import (
    ensure_authority,
    ensure_credentials,
    ensure_server_certificate,
    ensure_ssh_key,
)

NAMES = ["registry.piswarm.internal", "192.168.1.11"]


def content_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def modes_of(folder) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def make_all(folder, names=NAMES):
    ensure_ssh_key(folder, "piswarm-home")
    ensure_credentials(folder)
    return ensure_server_certificate(folder, "registry", ensure_authority(folder, "home"), names)


def test_everything_is_made_once(tmp_path):
    make_all(tmp_path)
    first = content_of(tmp_path)
    make_all(tmp_path)
    assert content_of(tmp_path) == first


def test_what_is_secret_is_only_its_owners(tmp_path):
    make_all(tmp_path)
    modes = modes_of(tmp_path)
    assert {name for name, mode in modes.items() if mode == 0o600} == {
        "id_ed25519",
        "ca.key",
        "registry.key",
        "credentials.json",
    }
    assert {name for name, mode in modes.items() if mode == 0o644} == {
        "id_ed25519.pub",
        "ca.crt",
        "registry.crt",
    }


def test_the_ssh_key_is_a_pair(tmp_path):
    line = ensure_ssh_key(tmp_path, "piswarm-home")
    private = load_ssh_private_key((tmp_path / "id_ed25519").read_bytes(), password=None)
    assert private.public_key() == load_ssh_public_key(line.encode())
    assert line.endswith(" piswarm-home")


def verified(pair, authority, name):
    """Return the chain that a client of `name` accepts; raises where it accepts none."""
    store = Store([x509.load_pem_x509_certificate(authority.certificate)])
    verifier = PolicyBuilder().store(store).build_server_verifier(name)
    return verifier.verify(x509.load_pem_x509_certificate(pair.certificate), [])


def test_clients_that_trust_the_authority_accept_the_server_under_its_names(tmp_path):
    pair = make_all(tmp_path)
    authority = ensure_authority(tmp_path, "home")
    assert verified(pair, authority, x509.DNSName("registry.piswarm.internal"))


def test_clients_refuse_it_under_another_name_or_from_another_authority(tmp_path):
    pair = make_all(tmp_path / "home")
    with pytest.raises(x509.verification.VerificationError):
        verified(pair, ensure_authority(tmp_path / "home", "home"), x509.DNSName("example.org"))
    with pytest.raises(x509.verification.VerificationError):
        verified(pair, ensure_authority(tmp_path / "attic", "attic"), x509.DNSName(NAMES[0]))


def test_other_names_make_another_certificate_of_the_same_authority(tmp_path):
    before = make_all(tmp_path)
    authority = content_of(tmp_path)["ca.crt"]
    after = make_all(tmp_path, [*NAMES, "pi1.local"])
    assert after.certificate != before.certificate
    assert content_of(tmp_path)["ca.crt"] == authority
    assert verified(after, ensure_authority(tmp_path, "home"), x509.DNSName("pi1.local"))


def test_half_a_pair_is_made_anew(tmp_path):
    make_all(tmp_path)
    (tmp_path / "registry.key").unlink()
    before = (tmp_path / "registry.crt").read_bytes()
    make_all(tmp_path)
    assert (tmp_path / "registry.crt").read_bytes() != before


def test_the_registrys_password_fits_its_line_for_the_registry(tmp_path):
    registry = ensure_credentials(tmp_path)["registry"]
    user, _, hashed = registry["htpasswd"].strip().partition(":")
    assert user == registry["user"]
    assert bcrypt.checkpw(registry["password"].encode(), hashed.encode())


def test_each_cluster_has_passwords_of_its_own(tmp_path):
    one, other = ensure_credentials(tmp_path / "one"), ensure_credentials(tmp_path / "other")
    passwords = [entry["password"] for made in (one, other) for entry in made.values()]
    assert len(set(passwords)) == 4
    assert all(len(password) >= 24 for password in passwords)
    assert json.loads((tmp_path / "one" / "credentials.json").read_text()) == one


def test_a_pair_of_keys_does_not_print_itself(tmp_path):
    assert "PRIVATE" not in repr(make_all(tmp_path))
