"""How a listener's TLS becomes a server's: certificates, and the clients that it believes.

Follows   istio pilot/pkg/config/kube/gateway/conversion.go (buildTLS)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.config.gateway_api import Gateway, Listener
from simulator.config.gateway_api.gateway import FrontendTLSValidation, ListenerTLSConfig
from simulator.config.gateway_api.values import ObjectReference, SecretObjectReference
from simulator.config.istio import ServerTLSSettings
from simulator.config.objects import Object
from simulator.istiod.gateway_api.references import World, authorities, key_pair
from simulator.istiod.gateway_api.status import Fault

_MODE = "gateway.istio.io/tls-terminate-mode"
_NETWORK = "topology.istio.io/network"
_GATEWAY_PORT = "networking.istio.io/gatewayPort"
_CROSS_NETWORK_PORT = "15443"
_BUILT_IN = "builtin://"
_CA_SUFFIX = "-cacert"
_MOST_CERTIFICATES = 2
AUTHORITY_REASONS = frozenset(
    {"RefNotPermitted", "InvalidCACertificateRef", "InvalidCACertificateKind"}
)
"""With such a fault a listener is not accepted either."""


def server_tls(
    world: World, source: Object, parent: Gateway, listener: Listener, at: str
) -> tuple[ServerTLSSettings | None, Fault | None]:
    """Return the TLS of a listener of a Gateway or ListenerSet, and what is wrong with it."""
    tls = listener.tls
    if tls is None:
        return None, None
    if tls.mode == "Passthrough":
        mode = "AUTO_PASSTHROUGH" if _crosses_networks(source.labels, listener) else "PASSTHROUGH"
        return ServerTLSSettings.model_construct(mode=mode), None
    wanted = tls.options.get(_MODE)
    if wanted == "ISTIO_MUTUAL":
        return ServerTLSSettings.model_construct(mode=wanted), None
    if wanted == "ISTIO_SIMPLE":
        return (
            ServerTLSSettings.model_construct(mode="SIMPLE", credential_name=_BUILT_IN),
            None,
        )
    fields: dict[str, Any] = {
        "mode": wanted if wanted in {"MUTUAL", "OPTIONAL_MUTUAL"} else "SIMPLE"
    }
    fault = _certificates(world, source, tls, fields, f"{at}.tls.certificateRefs")
    validation = _validation(parent, listener)
    if fault is None and validation is not None:
        fault = _clients(world, source, validation, fields)
    return ServerTLSSettings.model_construct(**fields), fault


def _crosses_networks(labels: Mapping[str, str], listener: Listener) -> bool:
    port = labels.get(_GATEWAY_PORT, _CROSS_NETWORK_PORT)
    return _NETWORK in labels and str(listener.port) == port


def _certificates(
    world: World, source: Object, tls: ListenerTLSConfig, fields: dict[str, Any], at: str
) -> Fault | None:
    if len(tls.certificate_refs) > _MOST_CERTIFICATES:
        return Fault("InvalidCertificateRef", "a listener takes no more than two certificates", at)
    names = []
    first: Fault | None = None
    for index, each in enumerate(tls.certificate_refs):
        name, fault = certificate(world, source, each, f"{at}[{index}]")
        if name is not None:
            names.append(name)
        first = first or fault
    if len(names) == 1:
        fields["credential_name"] = names[0]
    elif names:
        fields["credential_names"] = tuple(names)
    return None if names else first


def certificate(
    world: World, source: Object, ref: SecretObjectReference, at: str
) -> tuple[str | None, Fault | None]:
    """Return the name that proxies ask for a Secret's certificate by; None for a useless one."""
    home = ref.namespace or source.namespace
    if (ref.group, ref.kind) != ("", "Secret"):
        return None, Fault("InvalidCertificateRef", f"{ref.kind} is no kind of certificate", at)
    if not world.granted(source.kind, source.namespace, "Secret", home, ref.name):
        return None, _not_granted(source, "Secret", f"{home}/{ref.name}", at)
    secret = world.named("Secret", home, ref.name)
    if secret is None:
        return None, Fault("InvalidCertificateRef", f"there is no Secret {home}/{ref.name}", at)
    if not key_pair(secret):
        message = f"the Secret {home}/{ref.name} has no certificate with its key"
        return None, Fault("InvalidCertificateRef", message, at)
    return f"kubernetes-gateway://{home}/{ref.name}", None


def _not_granted(source: Object, kind: str, name: str, at: str) -> Fault:
    message = (
        f"no ReferenceGrant lets a {source.kind} of {source.namespace} refer to the {kind} {name}"
    )
    return Fault("RefNotPermitted", message, at)


def _validation(parent: Gateway, listener: Listener) -> FrontendTLSValidation | None:
    """Return how a listener's clients are checked."""
    if parent.tls is None or parent.tls.frontend is None or listener.protocol != "HTTPS":
        return None
    frontend = parent.tls.frontend
    own = [each.tls for each in frontend.per_port if each.port == listener.port]
    return own[0].validation if own else frontend.default.validation


def _clients(
    world: World, source: Object, validation: FrontendTLSValidation, fields: dict[str, Any]
) -> Fault | None:
    first: Fault | None = None
    for each in validation.ca_certificate_refs:
        name, fault = _authority(world, source, each)
        if name is None:
            first = first or fault
            continue
        fallback = validation.mode == "AllowInsecureFallback"
        fields |= {
            "mode": "OPTIONAL_MUTUAL" if fallback else "MUTUAL",
            "ca_cert_credential_name": name,
            "insecure_skip_verify": fallback,
        }
        return None
    return first


def _authority(
    world: World, source: Object, ref: ObjectReference
) -> tuple[str | None, Fault | None]:
    home = ref.namespace or source.namespace
    name = f"{home}/{ref.name}"
    at = "spec.tls.frontend"
    scheme = {"ConfigMap": "configmap", "Secret": "kubernetes-gateway"}.get(ref.kind)
    if ref.group or scheme is None:
        message = f"{ref.kind} is no kind of authorities' certificates"
        return None, Fault("InvalidCACertificateKind", message, at)
    if not world.granted(source.kind, source.namespace, ref.kind, home, ref.name):
        return None, _not_granted(source, ref.kind, name, at)
    found = world.named(ref.kind, home, ref.name)
    if found is None:
        return None, Fault("InvalidCACertificateRef", f"there is no {ref.kind} {name}", at)
    if not authorities(found):
        message = f"the {ref.kind} {name} has no certificate in ca.crt"
        return None, Fault("InvalidCACertificateRef", message, at)
    return f"{scheme}://{name}{_CA_SUFFIX}", None
