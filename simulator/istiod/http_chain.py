"""Write HTTP connection managers and TCP proxies.

The `istio.*` filters (peer metadata, statistics, ALPN) are left out: the stock Envoy lacks them.

Models    envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
Follows   istio pilot/pkg/networking/core/listener_builder.go (buildHTTPConnectionManager)
Leaves    metrics, tracing (docs/fidelity.md#istio-filters)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.envoy_api import message, pack
from simulator.istiod.authn.tls import ALPN
from simulator.istiod.part import duration, wrapped
from simulator.istiod.scope import Scope
from simulator.istiod.telemetry import Side, access_logs

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_SERVER_NAME = "istio-envoy"
PLAINTEXT_HTTP = ["http/1.0", "http/1.1", "h2c"]
"""What the HTTP inspector may find."""

_EMPTY_FILTERS = {
    "envoy.filters.http.fault": "envoy.extensions.filters.http.fault.v3.HTTPFault",
    "envoy.filters.http.cors": "envoy.extensions.filters.http.cors.v3.Cors",
    "envoy.filters.http.router": "envoy.extensions.filters.http.router.v3.Router",
}


def _filter(name: str, kind: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"name": name, "typed_config": pack(message(kind)(**fields))}


_NORMALIZATIONS: dict[str, dict[str, Any]] = {
    "NONE": {"normalize_path": wrapped(value=False)},
    "BASE": {"normalize_path": wrapped(value=True)},
    "DEFAULT": {"normalize_path": wrapped(value=True)},
    "MERGE_SLASHES": {"normalize_path": wrapped(value=True), "merge_slashes": True},
    "DECODE_AND_MERGE_SLASHES": {
        "normalize_path": wrapped(value=True),
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
    },
}


def _manager(
    stat_prefix: str,
    admission: Sequence[dict[str, Any]] = (),
    normalization: str = "DEFAULT",
    outgoing: Sequence[dict[str, Any]] = (),
    **fields: Any,  # noqa: ANN401 - any field
) -> dict[str, Any]:
    paths = _NORMALIZATIONS[normalization]
    grpc_stats = _filter(
        "envoy.filters.http.grpc_stats",
        "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        emit_filter_state=True,
        stats_for_all_methods=wrapped(value=False),
    )
    request_id = pack(
        message("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig")(
            use_request_id_for_trace_sampling=wrapped(value=True)
        )
    )
    config = message(HCM)(
        stat_prefix=stat_prefix,
        **{"path_with_escaped_slashes_action": "KEEP_UNCHANGED", **paths},
        upgrade_configs=[{"upgrade_type": "websocket"}],
        stream_idle_timeout=duration(0),
        proxy_100_continue=True,
        request_id_extension={"typed_config": request_id},
        http_filters=[
            *admission,
            grpc_stats,
            *outgoing,
            *(_filter(name, kind) for name, kind in _EMPTY_FILTERS.items()),
        ],
        **fields,
    )
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": pack(config)}


def _mesh_alpn() -> dict[str, Any]:
    """Return the filter that tells the next sidecar, by ALPN, that HTTP is inside the TLS.

    Istio's own Envoy has a filter for it; the stock one can be told to do the same, for the
    clusters that say so in their metadata.
    """
    told = f"%METADATA(CLUSTER:istio:{ALPN})%"
    alpn = {
        "object_key": "envoy.network.application_protocols",
        "format_string": {
            "text_format_source": {"inline_string": told},
            "omit_empty_values": True,
        },
        "skip_if_empty": True,
    }
    kind = "envoy.extensions.filters.http.set_filter_state.v3.Config"
    return _filter("istio.alpn", kind, on_request_headers=[alpn])


def _rds(route: str) -> dict[str, Any]:
    source = {"ads": {}, "initial_fetch_timeout": duration(0), "resource_api_version": "V3"}
    return {"config_source": source, "route_config_name": route}


def outbound_manager(scope: Scope, stat_prefix: str, route: str) -> dict[str, Any]:
    """Return the filter for a sidecar's own workload; it bears Envoy's default server name."""
    return _manager(
        stat_prefix,
        access_log=access_logs(scope.mesh, scope.pod, "CLIENT"),
        outgoing=[_mesh_alpn()],
        use_remote_address=wrapped(value=False),
        rds=_rds(route),
    )


def inbound_manager(
    scope: Scope,
    stat_prefix: str,
    route_config: dict[str, Any],
    admission: Sequence[dict[str, Any]],
    *,
    http2: bool,
) -> dict[str, Any]:
    """Return the filter for requests to the workload, with the routes inside."""
    details = {"subject": wrapped(value=True), "uri": True, "dns": True}
    fields: dict[str, Any] = {"http2_protocol_options": {}} if http2 else {}
    return _manager(
        stat_prefix,
        admission,
        scope.mesh.config.path_normalization.normalization,
        use_remote_address=wrapped(value=False),
        server_name=_SERVER_NAME,
        forward_client_cert_details="APPEND_FORWARD",
        set_current_client_cert_details=details,
        access_log=access_logs(scope.mesh, scope.pod, "SERVER"),
        route_config=route_config,
        **fields,
    )


def gateway_manager(
    scope: Scope, stat_prefix: str, route: str, admission: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the filter for requests from beyond the mesh, whose headers are not trusted."""
    details = {"subject": wrapped(value=True), "cert": True, "uri": True, "dns": True}
    return _manager(
        stat_prefix,
        admission,
        scope.mesh.config.path_normalization.normalization,
        [_mesh_alpn()],
        use_remote_address=wrapped(value=True),
        server_name=_SERVER_NAME,
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details=details,
        http_protocol_options={},
        access_log=access_logs(scope.mesh, scope.pod, "CLIENT"),
        rds=_rds(route),
    )


def tcp_proxy(
    scope: Scope,
    stat_prefix: str,
    side: Side = "CLIENT",
    **fields: Any,  # noqa: ANN401 - any field
) -> dict[str, Any]:
    """Return the filter that carries bytes to a cluster (or to one of several)."""
    logs = access_logs(scope.mesh, scope.pod, side)
    config = message(TCP)(stat_prefix=stat_prefix, access_log=logs, **fields)
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": pack(config)}


def to_cluster(scope: Scope, cluster: str, side: Side = "CLIENT") -> dict[str, Any]:
    """Return the TCP proxy to one cluster, named after it in statistics."""
    return tcp_proxy(scope, cluster, side, cluster=cluster)


def listener_filter(name: str, disabled: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return `original_dst`, `tls_inspector` or `http_inspector`."""
    kind = "".join(word.capitalize() for word in name.split("_"))
    config = message(f"envoy.extensions.filters.listener.{name}.v3.{kind}")()
    found: dict[str, Any] = {
        "name": f"envoy.filters.listener.{name}",
        "typed_config": pack(config),
    }
    if disabled is not None:
        found["filter_disabled"] = disabled
    return found
