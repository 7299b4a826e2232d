"""Certificates for tests: an authority, clients it vouches for, and a server that asks for them."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator.envoy.tls import Certificate

_LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_FAR_AHEAD = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def digest(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


def authority() -> Pair:
    """Return a certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Pair(_sign(Certificate(subject="CN=authority"), key, key, "CN=authority", ca=True), key)


def issue(trusted: Pair, certificate: Certificate) -> Pair:
    """Return what an authority issues."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Pair(_sign(certificate, key, trusted.key, "CN=authority", ca=False), key)


def _sign(
    certificate: Certificate,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    ca: bool,
) -> x509.Certificate:
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(uri) for uri in certificate.uri_sans
    ]
    names += [x509.DNSName(name) for name in certificate.dns_sans]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(certificate.subject))
        .issuer_name(x509.Name.from_rfc4514_string(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_LONG_AGO)
        .not_valid_after(_FAR_AHEAD)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


def client_context(pair: Pair | None, folder: Path) -> ssl.SSLContext:
    """Return a client's TLS settings: it shows the certificate, if any, and believes anyone."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pair is not None:
        file = folder / f"client-{pair.certificate.serial_number}.pem"
        file.write_text(pair.certificate_pem + pair.key_pem)
        context.load_cert_chain(file)
    return context


SERVER = Certificate(uri_sans=("spiffe://td/ns/a/sa/server",))


def server_context(trusted: Pair) -> dict[str, Any]:
    """Return a listener's transport socket: it asks for certificates but needs none."""
    pair = issue(trusted, SERVER)
    return {
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
            "DownstreamTlsContext",
            "common_tls_context": {
                "tls_certificates": [
                    {
                        "certificate_chain": {"inline_string": pair.certificate_pem},
                        "private_key": {"inline_string": pair.key_pem},
                    }
                ],
                "validation_context": {
                    "trusted_ca": {"inline_string": trusted.certificate_pem},
                },
            },
        },
    }
