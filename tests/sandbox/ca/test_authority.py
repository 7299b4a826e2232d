"""The certificates of a sandbox: who they say one is, who vouches, and how long."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.ca import Authority, secrets
from simulator.istiod.generate import generate
from tests.simulator.istiod.meshes import shop

ALICE = "spiffe://cluster.local/ns/default/sa/alice"


def read(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(pem.encode())[0]


def test_an_identity_is_the_only_name() -> None:
    certificate = read(Authority("mesh").issue(ALICE).certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)

    assert certificate.subject == x509.Name([])
    assert names.critical
    assert [each.value for each in names.value] == [ALICE]


def test_the_authority_vouches() -> None:
    authority = Authority("mesh")
    issued, root = read(authority.issue(ALICE).certificate), read(authority.root)

    issued.verify_directly_issued_by(root)
    assert isinstance(issued.public_key(), ec.EllipticCurvePublicKey)


def test_a_certificate_holds_for_a_day() -> None:
    issued = Authority("mesh").issue(ALICE)
    lifetime = issued.not_after - read(issued.certificate).not_valid_before_utc

    assert dt.timedelta(hours=24) <= lifetime < dt.timedelta(hours=25)


def test_two_authorities_do_not_vouch_for_each_other() -> None:
    issued = read(Authority("mesh").issue(ALICE).certificate)
    stranger = read(Authority("mesh").root)

    with pytest.raises(InvalidSignature):
        issued.verify_directly_issued_by(stranger)


def test_a_proxy_gets_what_its_resources_name() -> None:
    mesh = shop()
    resources = generate(mesh, mesh.pod("ratings-v1.default")).resources

    found = secrets(resources, ALICE, Authority("mesh"))

    assert [each.name for each in found] == ["ROOTCA", "default"]
