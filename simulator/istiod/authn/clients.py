"""Write the TLS that a proxy speaks to a cluster.

Without a DestinationRule's word, sidecars speak the mesh's own to each other, endpoint by
endpoint: where there is none, plain text.

Models    envoy.config.cluster.v3.Cluster.{transport_socket,transport_socket_matches}
Follows   istio pilot/pkg/networking/core/cluster_tls.go, pilot/pkg/model/push_context.go
          (BestEffortInferServiceMTLSMode), pilot/pkg/xds/endpoints/mtls_checker.go
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.config.istio import ClientTLSSettings
from simulator.envoy_api import message
from simulator.istiod import names
from simulator.istiod.authn import tls
from simulator.istiod.authn.peers import namespace_mode, peer_modes
from simulator.istiod.part import Part
from simulator.istiod.registry import Endpoint, Mesh, Pod, Port, Resolution, Service
from simulator.istiod.scope import Scope
from simulator.istiod.sds import CA_SUFFIX, resource
from simulator.istiod.traffic_policy import Block

TLS_MODE = "tlsMode"
ISTIO = "istio"
MATCH_KEY = "envoy.transport_socket_match"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom a cluster speaks to."""

    service: Service
    port: Port
    subset: str

    @property
    def sni(self) -> str:
        """Return the name by which a gateway could pass the connection on."""
        return names.sni_dnat(self.service.hostname, self.port.number, self.subset)


def secure(
    scope: Scope, cluster: Part, peer: Peer, block: Block | None, options: dict[str, Any]
) -> bool:
    """Set how the cluster's endpoints are spoken to; say whether with the mesh's own TLS.

    `options` are the cluster's HTTP protocol options.
    """
    mesh, service = scope.mesh, peer.service
    http2 = "http2_protocol_options" in options.get("explicit_http_config", {})
    if block is None:
        if not automatic(mesh, service, peer.port, cluster.value["type"]):
            return False
        socket = tls.upstream(identities(mesh, service), peer.sni, http2=http2)
        if cluster.value["type"] == "ORIGINAL_DST":
            cluster.value["transport_socket"] = socket
        else:
            cluster.value["transport_socket_matches"] = _by_endpoint(socket)
        return True
    settings: ClientTLSSettings = block.value
    if settings.mode == "ISTIO_MUTUAL":
        known_as = list(settings.subject_alt_names) or identities(mesh, service)
        socket = tls.upstream(known_as, settings.sni or peer.sni, http2=http2)
    elif settings.mode == "DISABLE" or _left_to_gateways(scope, settings):
        return False
    else:
        socket = _originated(settings, options, http2=http2)
    cluster.put("transport_socket", socket, block.source, block.at)
    return settings.mode == "ISTIO_MUTUAL"


def automatic(mesh: Mesh, service: Service, port: Port, kind: str) -> bool:
    """Say whether sidecars speak the mesh's TLS to a service of their own accord."""
    if service.external or not mesh.config.enable_auto_mtls:
        return False
    if kind == "ORIGINAL_DST" or service.resolution is Resolution.ORIGINAL:
        endpoints = service.endpoints_of(port)
        if not endpoints or not all(each.tls for each in endpoints):
            return False
    return namespace_mode(mesh, service.namespace).mode != "DISABLE"


def identities(mesh: Mesh, service: Service) -> list[str]:
    """Return who the service's endpoints may say that they are."""
    accounts = {
        (each.namespace or service.namespace, each.service_account)
        for each in service.endpoints
        if each.service_account
    }
    domains = (mesh.config.trust_domain, *mesh.config.trust_domain_aliases)
    return [
        _spiffe(domain, namespace, account)
        for domain in dict.fromkeys(domains)
        for namespace, account in sorted(accounts)
    ]


def identity(mesh: Mesh, pod: Pod) -> str:
    """Return who a pod is."""
    return _spiffe(mesh.config.trust_domain, pod.namespace, pod.service_account)


def _spiffe(domain: str, namespace: str, account: str) -> str:
    return f"spiffe://{domain}/ns/{namespace}/sa/{account}"


def speaks_tls(mesh: Mesh, endpoint: Endpoint) -> bool:
    """Say whether an endpoint is to be spoken to with the mesh's TLS."""
    if not endpoint.tls:
        return False
    modes = peer_modes(mesh, endpoint.namespace, endpoint.labels)
    return modes.of(endpoint.port) != "DISABLE"


def _by_endpoint(socket: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = message("google.protobuf.Struct")()
    wanted.update({TLS_MODE: ISTIO})
    return [
        {"name": f"{TLS_MODE}-{ISTIO}", "match": wanted, "transport_socket": socket},
        {"name": f"{TLS_MODE}-disabled", "match": {}, "transport_socket": tls.raw_socket()},
    ]


def _left_to_gateways(scope: Scope, settings: ClientTLSSettings) -> bool:
    """Say whether a sidecar may not have the credential that a rule for everyone names."""
    return bool(settings.credential_name) and not scope.pod.gateway


def _originated(
    settings: ClientTLSSettings, options: dict[str, Any], *, http2: bool
) -> dict[str, Any]:
    """Return ordinary TLS, which shows a certificate of its own only if it is MUTUAL."""
    skipped = bool(settings.insecure_skip_verify)
    automatic_options: dict[str, Any] = {}
    if not settings.sni:
        automatic_options["auto_sni"] = True
        if not settings.subject_alt_names and not skipped:
            automatic_options["auto_san_validation"] = True
    if automatic_options:
        options["upstream_http_protocol_options"] = automatic_options
    common: dict[str, Any] = {"tls_params": tls.VERSIONS}
    credential = settings.credential_name
    if settings.mode == "MUTUAL":
        own = (
            resource(credential)
            if credential
            else f"file-cert:{settings.client_certificate}~{settings.private_key}"
        )
        common["tls_certificate_sds_secret_configs"] = [tls.sds(own)]
    root = (
        resource(f"{credential}{CA_SUFFIX}")
        if credential
        else f"file-root:{settings.ca_certificates or 'system'}"
    )
    if skipped:
        common["validation_context"] = {}
    else:
        known_as = [{"exact": each} for each in settings.subject_alt_names]
        common["combined_validation_context"] = {
            "default_validation_context": {"match_subject_alt_names": known_as},
            "validation_context_sds_secret_config": tls.sds(root),
        }
    if http2:
        common["alpn_protocols"] = ["h2"]
    context = {"common_tls_context": common, "sni": settings.sni}
    return tls.tls_socket("UpstreamTlsContext", context)
