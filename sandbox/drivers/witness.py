"""Let a proxy tell what it did with each request: one JSON line, in a file of its own.

Added to every HTTP connection manager and TCP proxy of the listeners; nothing
else of the configuration is touched. Envoy writes the keys sorted, an absent
value as null.
"""

from __future__ import annotations

from typing import Any

from simulator.envoy_api import Resources, pack, parse, unpack

_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TCP = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"

_FIELDS = {
    "id": "%REQ(X-REQUEST-ID)%",
    "start_ns": "%START_TIME(%s%9f)%",
    "duration_ns": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ns)%",
    "duration_ms": "%DURATION%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "protocol": "%PROTOCOL%",
    "route": "%ROUTE_NAME%",
    "virtual_host": "%CEL(xds.virtual_host_name)%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "headers": "%TYPED_CEL(request.headers)%",
    "client_uri": "%DOWNSTREAM_PEER_URI_SAN%",
    "own_uri": "%DOWNSTREAM_LOCAL_URI_SAN%",
    "upstream_uri": "%UPSTREAM_PEER_URI_SAN%",
    "upstream_own_uri": "%UPSTREAM_LOCAL_URI_SAN%",
    "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
"""Headers are taken when the log is written, after the router changed them: as sent upstream."""


def witnessed(resources: Resources, path: str, *, gateway: bool = False) -> Resources:
    """Return the resources with an access log to `path` in every listener."""
    return Resources(
        listeners=tuple(_listener(each, path, gateway=gateway) for each in resources.listeners),
        routes=resources.routes,
        clusters=resources.clusters,
        endpoints=resources.endpoints,
        secrets=resources.secrets,
    )


def access_log(path: str, direction: str) -> Any:  # noqa: ANN401 - made at run time
    """Return the AccessLog that writes our fields to `path`."""
    return parse(
        {
            "name": "meshdojo",
            "typed_config": {
                "@type": "type.googleapis.com/"
                "envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": path,
                "log_format": {"json_format": {"direction": direction, **_FIELDS}},
            },
        },
        "envoy.config.accesslog.v3.AccessLog",
    )


def _listener(given: Any, path: str, *, gateway: bool) -> Any:  # noqa: ANN401
    listener = type(given)()
    listener.CopyFrom(given)
    enum = listener.DESCRIPTOR.fields_by_name["traffic_direction"].enum_type
    inbound = listener.traffic_direction == enum.values_by_name["INBOUND"].number
    log = access_log(path, "gateway" if gateway else "inbound" if inbound else "outbound")
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        for each in chain.filters:
            url = each.typed_config.type_url.rpartition("/")[2]
            if url in (_HTTP, _TCP):
                inner = unpack(each.typed_config)
                inner.access_log.append(log)
                if gateway and url == _HTTP:
                    # An edge proxy makes a new id: ours is what the logs are joined by.
                    inner.preserve_external_request_id = True
                each.typed_config.CopyFrom(pack(inner))
    return listener
