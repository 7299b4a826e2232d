"""What an Envoy is told before it asks: who it is, and where its control plane is."""

from __future__ import annotations

from typing import Any

from sandbox.plan import Proxy

_HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def boot(proxy: Proxy) -> dict[str, Any]:
    """Return the bootstrap of a mesh's proxy; its sockets lie in the directory where it runs."""
    return bootstrap(proxy.node, proxy.pod.deployment, "xds.sock", proxy.admin_socket)


def bootstrap(node: str, cluster: str, xds_socket: str, admin_socket: str) -> dict[str, Any]:
    """Return the bootstrap of a proxy that takes everything from one aggregated stream."""
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {
        "node": {"id": node, "cluster": cluster},
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o666}}},
        "dynamic_resources": {
            "lds_config": source,
            "cds_config": source,
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [
                    {
                        "envoy_grpc": {
                            "cluster_name": "xds-grpc",
                            "retry_policy": {
                                "retry_back_off": {"base_interval": "0.1s", "max_interval": "0.5s"}
                            },
                        }
                    }
                ],
            },
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds-grpc",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        _HTTP2: {
                            "@type": f"type.googleapis.com/{_HTTP2}",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "xds-grpc",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {"endpoint": {"address": {"pipe": {"path": xds_socket}}}}
                                ]
                            }
                        ],
                    },
                }
            ]
        },
    }
