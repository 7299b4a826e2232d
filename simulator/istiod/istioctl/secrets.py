"""The certificates of a proxy as `istioctl proxy-config secrets` shows them.

Follows   istio istioctl/pkg/writer/compare/sds/util.go, writer.go
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cryptography import x509

from simulator.istiod.istioctl.table import Table

_COLUMNS = (
    *("RESOURCE NAME", "TYPE", "STATUS", "VALID CERT"),
    *("SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"),
)


def table(secrets: Iterable[Any], now: datetime) -> Table:
    """Return a row for each; `now`, with its time zone, decides what is valid."""
    return Table(columns=_COLUMNS, rows=tuple(_row(each, now) for each in secrets))


def _row(secret: Any, now: datetime) -> tuple[str, ...]:  # noqa: ANN401 - made at run time
    ca = secret.WhichOneof("type") == "validation_context"
    pem = _pem(secret.validation_context.trusted_ca if ca else secret.tls_certificate)
    start = secret.name, "CA" if ca else "Cert Chain", "ACTIVE"
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return *start, "false", "N/A", "N/A", "N/A"
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    valid = "true" if first <= now <= last else "false"
    return *start, valid, f"{certificate.serial_number:x}", _instant(last), _instant(first)


def _pem(source: Any) -> bytes:  # noqa: ANN401 - a TlsCertificate, or a trusted CA
    chain = source if source.DESCRIPTOR.name == "DataSource" else source.certificate_chain
    return bytes(chain.inline_bytes) or str(chain.inline_string).encode()


def _instant(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
