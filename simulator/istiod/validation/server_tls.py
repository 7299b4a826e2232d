"""TLS of a port that receives: a Gateway's server, a Sidecar's ingress.

Follows   istio pkg/config/validation/validation.go (validateTLSOptions)
"""

from __future__ import annotations

from simulator.config.istio import ServerTLSSettings, TLSCertificate
from simulator.istiod.validation.fault import Fault, Faults

CIPHERS = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    }
)
_OWN = ("server_certificate", "private_key", "ca_certificates", "tls_certificates",
        "credential_name", "credential_names")  # fmt: skip
_OLD = frozenset({"TLSV1_0", "TLSV1_1"})
_TERMINATING = frozenset({"SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"})
_MOST_CERTIFICATES = 2


def server_tls(tls: ServerTLSSettings | None, at: str) -> Faults:
    """Check the TLS settings of a port that receives."""
    if tls is None:
        return
    yield from _ciphers(tls, at)
    if tls.mode == "ISTIO_MUTUAL":
        for name in _OWN:
            if getattr(tls, name):
                yield Fault(at, f"ISTIO_MUTUAL cannot have certificates of one's own ({name})")
        return
    own = tls.ca_crl or any(getattr(tls, name) for name in _OWN)
    if own and tls.mode in {"PASSTHROUGH", "AUTO_PASSTHROUGH"}:
        problem = f"{tls.mode} mode does not use certificates; they are ignored"
        yield Fault(f"{at}.mode", problem, warning=True)
    yield from _certificates(tls, at)


def _ciphers(tls: ServerTLSSettings, at: str) -> Faults:
    if tls.min_protocol_version in _OLD and not tls.cipher_suites:
        problem = "versions below TLS 1.2 need cipherSuites; none of the default ones fits them"
        yield Fault(f"{at}.minProtocolVersion", problem, warning=True)
    seen: set[str] = set()
    for index, suite in enumerate(tls.cipher_suites):
        known = suite in {"", "ALL", *CIPHERS} or not suite[0].isalnum()
        if not known or suite in seen:
            problem = f"the cipher suite {suite} is {'listed twice' if known else 'unknown'}"
            yield Fault(f"{at}.cipherSuites[{index}]", f"{problem} and ignored", warning=True)
        seen.add(suite)


def _certificates(tls: ServerTLSSettings, at: str) -> Faults:
    sources = [
        bool(tls.server_certificate and tls.private_key),
        bool(tls.credential_name),
        bool(tls.credential_names),
        bool(tls.tls_certificates),
    ]
    if sum(sources) > 1:
        yield Fault(
            at,
            "only one of credentialName, credentialNames, tlsCertificates and "
            "serverCertificate with privateKey may be set",
        )
    if tls.mode in _TERMINATING and (tls.credential_name or tls.credential_names):
        return
    if tls.mode in _TERMINATING:
        yield from _complete(tls, at)
    if tls.ca_crl and tls.credential_name:
        yield Fault(f"{at}.caCrl", "with credentialName the CRL belongs into the Secret")
    if tls.ca_crl and tls.mode == "SIMPLE":
        yield Fault(f"{at}.caCrl", "SIMPLE TLS checks no clients, so it needs no CRL")


def _complete(tls: ServerTLSSettings, at: str) -> Faults:
    mode = "SIMPLE TLS" if tls.mode == "SIMPLE" else "MUTUAL TLS"
    if tls.mode != "SIMPLE" and not tls.ca_certificates:
        yield Fault(at, f"{mode} needs the clients' CA (caCertificates) or a credentialName")
    if len(tls.tls_certificates) > _MOST_CERTIFICATES:
        problem = f"{mode} takes up to {_MOST_CERTIFICATES} certificates"
        yield Fault(f"{at}.tlsCertificates", problem, warning=True)
    written = tls.tls_certificates or (
        TLSCertificate(server_certificate=tls.server_certificate, private_key=tls.private_key),
    )
    for each in written:
        if not each.server_certificate:
            yield Fault(at, f"{mode} needs a server certificate or a credentialName")
        if not each.private_key:
            yield Fault(at, f"{mode} needs a private key or a credentialName")
