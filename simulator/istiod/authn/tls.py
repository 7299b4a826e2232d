"""Write the TLS of proxies that know each other by SPIFFE identity.

Keys and roots come as secrets: `default` is the proxy's own certificate, `ROOTCA` whom it
trusts.

Models    envoy.extensions.transport_sockets.tls.v3.{Downstream,Upstream}TlsContext
Follows   istio pilot/pkg/security/authn/utils/utils.go, pilot/pkg/security/model/authentication.go
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.config.istio import MeshConfig
from simulator.envoy_api import message, pack
from simulator.istiod.part import duration, wrapped

OWN = "default"
"""The secret with the workload's own certificate."""
ROOT = "ROOTCA"
"""The secret with the mesh's roots."""
_HTTP_ALPN = ["h2", "http/1.1"]
TLS_SOCKET = "envoy.transport_sockets.tls"
RAW_SOCKET = "envoy.transport_sockets.raw_buffer"
_TLS = "envoy.extensions.transport_sockets.tls.v3"
_RAW = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
_CIPHERS = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
]
ALPN = "alpn"
"""The key of a cluster's metadata with what to offer where HTTP is inside."""
HTTP_INSIDE = "istio-http/1.1,istio"
_PEER_EXCHANGE = "istio-peer-exchange"
_MESH_ALPN = [_PEER_EXCHANGE, "istio"]


def sds(name: str) -> dict[str, Any]:
    """Return where a secret comes from: the stream that all else comes by."""
    source: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
    if "://" not in name:
        # A credential may not exist, and is not to keep all else waiting for ever.
        source["initial_fetch_timeout"] = duration(0)
    return {"name": name, "sds_config": source}


def downstream(config: MeshConfig, *, http: bool) -> dict[str, Any]:
    """Return the transport socket that asks a client for its identity in the mesh."""
    domains = dict.fromkeys((config.trust_domain, *config.trust_domain_aliases))
    context = {
        "common_tls_context": {
            "tls_params": {**VERSIONS, "cipher_suites": _CIPHERS},
            "alpn_protocols": _HTTP_ALPN if http else [_PEER_EXCHANGE, *_HTTP_ALPN],
            **identity([{"prefix": f"spiffe://{each}/"} for each in domains]),
        },
        "require_client_certificate": wrapped(value=True),
    }
    return tls_socket("DownstreamTlsContext", context)


def upstream(names: Sequence[str], sni: str, *, http2: bool) -> dict[str, Any]:
    """Return the transport socket that shows the proxy's identity to one of `names`."""
    context = {
        "common_tls_context": {
            "tls_params": VERSIONS,
            "alpn_protocols": [*_MESH_ALPN, "h2"] if http2 else _MESH_ALPN,
            **identity([{"exact": each} for each in names]),
        },
        "sni": sni,
    }
    return tls_socket("UpstreamTlsContext", context)


VERSIONS = {
    "tls_minimum_protocol_version": "TLSv1_2",
    "tls_maximum_protocol_version": "TLSv1_3",
}


def identity(names: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the proxy's own certificate, and whose others it takes."""
    return {
        "tls_certificate_sds_secret_configs": [sds(OWN)],
        "combined_validation_context": {
            "default_validation_context": {"match_subject_alt_names": names},
            "validation_context_sds_secret_config": sds(ROOT),
        },
    }


def tls_socket(kind: str, context: dict[str, Any]) -> dict[str, Any]:
    """Return a transport socket that speaks TLS."""
    return {"name": TLS_SOCKET, "typed_config": pack(message(f"{_TLS}.{kind}")(**context))}


def raw_socket() -> dict[str, Any]:
    """Return the transport socket that speaks plain text."""
    return {"name": RAW_SOCKET, "typed_config": pack(message(_RAW)())}
