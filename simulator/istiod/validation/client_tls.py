"""TLS to a destination.

Follows   istio pkg/config/validation/agent/validation.go (ValidateTLS)
"""

from __future__ import annotations

from simulator.config.istio import ClientTLSSettings
from simulator.istiod.validation.fault import Fault, Faults

_FILES = ("client_certificate", "ca_certificates", "private_key", "ca_crl")


def client_tls(tls: ClientTLSSettings | None, at: str) -> Faults:
    """Check the TLS settings of a client."""
    if tls is None:
        return
    if tls.insecure_skip_verify:
        named = tls.credential_name if tls.mode == "SIMPLE" else ""
        checked = tls.ca_certificates or tls.subject_alt_names or named
        if tls.mode in {"SIMPLE", "MUTUAL"} and checked:
            problem = "it does not go with what the server would be checked against"
            yield Fault(f"{at}.insecureSkipVerify", problem)
    if tls.mode in {"SIMPLE", "MUTUAL"} and tls.credential_name:
        if any(getattr(tls, name) for name in _FILES):
            yield Fault(f"{at}.credentialName", "it does not go with certificates from files")
        return
    if tls.mode == "MUTUAL":
        if not tls.client_certificate:
            yield Fault(at, "MUTUAL needs a clientCertificate or a credentialName")
        if not tls.private_key:
            yield Fault(at, "MUTUAL needs a privateKey or a credentialName")
