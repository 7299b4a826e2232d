"""What a TLS handshake told the two sides of each other, as plain data.

Follows   envoy/envoy/ssl/connection.h (ConnectionInfo)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What one side's certificate says of it."""

    uri_sans: tuple[str, ...] = ()
    """Its URI subject alternative names; a SPIFFE identity is one of them."""
    dns_sans: tuple[str, ...] = ()
    subject: str = ""
    """RFC 2253 form, such as `CN=a,O=b`; a workload's certificate has none."""
    digest: str = ""
    """SHA-256 of the certificate, in hexadecimal digits; empty where there is no real one."""
    validated: bool = True
    """Whether it was verified against trusted certificates."""


def spiffe(certificate: Certificate | None) -> str | None:
    """Return the SPIFFE identity that a certificate holds, if any."""
    if certificate is None:
        return None
    return next((uri for uri in certificate.uri_sans if uri.startswith("spiffe://")), None)
