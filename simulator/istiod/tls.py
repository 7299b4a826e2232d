"""Write how a proxy speaks TLS to its clients.

Certificates have names; the proxy asks for what is behind them (`simulator.istiod.sds`).

Models    envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
Follows   istio pilot/pkg/networking/core/listener.go (BuildListenerTLSContext),
          pilot/pkg/security/model/authentication.go
"""

from __future__ import annotations

from typing import Any

from simulator.config.istio import ServerTLSSettings
from simulator.istiod.authn.tls import OWN, ROOT, sds, tls_socket
from simulator.istiod.part import wrapped
from simulator.istiod.sds import CA_SUFFIX, resource

HTTP_ALPN = ("h2", "http/1.1")
_PEER_ALPN = ("istio-peer-exchange", *HTTP_ALPN)
_CLIENT_CERTIFICATE = frozenset({"MUTUAL", "ISTIO_MUTUAL"})
_VALIDATED = _CLIENT_CERTIFICATE | {"OPTIONAL_MUTUAL"}
_VERSIONS = {f"TLSV1_{minor}": f"TLSv1_{minor}" for minor in range(4)}


def server_socket(settings: ServerTLSSettings, *, opaque: bool) -> dict[str, Any]:
    """Return the transport socket of a server that ends TLS; `opaque` if bytes come out of it."""
    mutual = settings.mode == "ISTIO_MUTUAL"
    common: dict[str, Any] = {"alpn_protocols": _PEER_ALPN if mutual and opaque else HTTP_ALPN}
    certificate, root = _names(settings)
    common["tls_certificate_sds_secret_configs"] = [sds(each) for each in certificate]
    if settings.mode in _VALIDATED:
        common["combined_validation_context"] = {
            "default_validation_context": _validation(settings),
            "validation_context_sds_secret_config": sds(root),
        }
    if not mutual:
        common["tls_params"] = _parameters(settings)
    asked = wrapped(settings.mode in _CLIENT_CERTIFICATE)
    context = {"common_tls_context": common, "require_client_certificate": asked}
    return tls_socket("DownstreamTlsContext", context)


def _names(settings: ServerTLSSettings) -> tuple[list[str], str]:
    """Return the secrets of the certificates, and of the roots that clients are held to."""
    if settings.mode == "ISTIO_MUTUAL":
        return [OWN], ROOT
    credentials = credential_names(settings)
    if credentials:
        root = settings.ca_cert_credential_name or f"{credentials[0]}{CA_SUFFIX}"
        return [resource(each) for each in credentials], resource(root)
    files = [(each.server_certificate, each.private_key) for each in settings.tls_certificates]
    files = files or [(settings.server_certificate, settings.private_key)]
    named = [f"file-cert:{certificate}~{key}" for certificate, key in files]
    return named, f"file-root:{settings.ca_certificates}"


def credential_names(settings: ServerTLSSettings) -> tuple[str, ...]:
    """Return the Kubernetes Secrets that a server's certificates are in."""
    single = (settings.credential_name,) if settings.credential_name else ()
    return settings.credential_names or single


def _validation(settings: ServerTLSSettings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.subject_alt_names:
        found["match_subject_alt_names"] = [{"exact": each} for each in settings.subject_alt_names]
    if settings.verify_certificate_spki:
        found["verify_certificate_spki"] = settings.verify_certificate_spki
    if settings.verify_certificate_hash:
        found["verify_certificate_hash"] = settings.verify_certificate_hash
    return found


def _parameters(settings: ServerTLSSettings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.min_protocol_version in _VERSIONS:
        found["tls_minimum_protocol_version"] = _VERSIONS[settings.min_protocol_version]
    if settings.max_protocol_version in _VERSIONS:
        found["tls_maximum_protocol_version"] = _VERSIONS[settings.max_protocol_version]
    if settings.cipher_suites:
        found["cipher_suites"] = settings.cipher_suites
    if settings.ecdh_curves:
        found["ecdh_curves"] = settings.ecdh_curves
    return found
