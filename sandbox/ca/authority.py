"""An authority that vouches for identities in the mesh: SPIFFE certificates, short-lived.

Follows   istio security/pkg/pki/util/generate_cert.go, SPIFFE X.509-SVID
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(hours=24)
_ROOT_LIFETIME = dt.timedelta(days=3650)
_SKEW = dt.timedelta(minutes=2)
"""A certificate holds a little before it is issued: clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its key, as PEM."""

    certificate: str
    key: str
    not_after: dt.datetime


class Authority:
    """The root of a mesh's trust; its key never leaves the process."""

    def __init__(self, organization: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
        self._root = _sign(
            _draft(name, self._key.public_key(), _ROOT_LIFETIME).add_extension(
                x509.BasicConstraints(ca=True, path_length=None), critical=True
            ),
            name,
            self._key,
        )

    @property
    def root(self) -> str:
        """Return the root certificate, as PEM."""
        return _pem(self._root)

    def issue(self, identity: str) -> Issued:
        """Return a certificate whose only name is a SPIFFE identity, which makes it critical."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = _draft(x509.Name([]), key.public_key(), _LIFETIME)
        draft = draft.add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True
        ).add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        draft = draft.add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        certificate = _sign(draft, self._root.subject, self._key)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Issued(
            certificate=_pem(certificate) + self.root,
            key=secret.decode(),
            not_after=certificate.not_valid_after_utc,
        )


def _draft(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lifetime)
    )


def _sign(
    draft: x509.CertificateBuilder, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    return draft.issuer_name(issuer).sign(key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
