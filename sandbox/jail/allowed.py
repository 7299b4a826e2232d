"""Say what of a bootstrap may not run here: extensions that are code, files, other machines.

Only what is known to do nothing but handle requests passes. All else is named, and refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.envoy_api import Resources, unpack

_SECTIONS = frozenset({"node", "static_resources", "admin", "layered_runtime", "cluster_manager"})
"""What a bootstrap may hold: the others reach out, or load code."""

_KNOWN = """
    access_loggers.file access_loggers.stream access_loggers.filters
    filters.http.alpn filters.http.buffer filters.http.cors filters.http.fault
    filters.http.grpc_stats filters.http.header_mutation filters.http.header_to_metadata
    filters.http.health_check filters.http.jwt_authn filters.http.local_ratelimit
    filters.http.rbac filters.http.router filters.http.set_filter_state filters.http.set_metadata
    filters.common.fault filters.network.connection_limit filters.network.direct_response
    filters.network.echo filters.network.http_connection_manager filters.network.local_ratelimit
    filters.network.rbac filters.network.set_filter_state filters.network.sni_cluster
    filters.network.tcp_proxy filters.listener.http_inspector filters.listener.local_ratelimit
    filters.listener.original_dst filters.listener.proxy_protocol filters.listener.tls_inspector
    http.early_header_mutation http.header_formatters http.header_validators
    http.original_ip_detection internal_redirect load_balancing_policies matching path
    rate_limit_descriptors request_id retry transport_sockets.raw_buffer transport_sockets.tls
    upstreams.http"""
_EXTENSIONS = tuple(f"envoy.extensions.{each}." for each in _KNOWN.split())
_MESSAGES = ("google.protobuf.", "xds.type.", "xds.core.", "envoy.type.")
_STREAMS = frozenset({"/dev/stdout", "/dev/stderr", "/dev/null"})


def refused(bootstrap: Any) -> tuple[str, ...]:  # noqa: ANN401 - made at run time
    """Return what may not run, each with its place and reason; nothing if all may."""
    found = [
        f"{field.name}: a bootstrap in the jail has no such section"
        for field, _ in bootstrap.ListFields()
        if field.name not in _SECTIONS
    ]
    return (*found, *dict.fromkeys(_walk(bootstrap, "")))


def foreign(resources: Resources) -> tuple[str, ...]:
    """Return what of a proxy's resources would be code, or reach out of its mesh."""
    kinds = (resources.listeners, resources.routes, resources.clusters)
    return tuple(
        f"{one.name}: {reason}" for kind in kinds for one in kind for reason in _walk(one, "")
    )


def _walk(message: Any, path: str) -> Iterator[str]:  # noqa: ANN401
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Any":
        yield from _extension(message, path)
        return
    reason = _reason(name, message)
    if reason:
        yield f"{path}: {reason}"
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if where == "admin":
            continue  # replaced by one that only we can reach
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in sorted(value):
                    yield from _walk(value[key], f"{where}[{key}]")
        elif field.is_repeated:
            for number, each in enumerate(value):
                yield from _walk(each, f"{where}[{number}]")
        else:
            yield from _walk(value, where)


def _extension(packed: Any, path: str) -> Iterator[str]:  # noqa: ANN401
    name = packed.type_url.rpartition("/")[2]
    if not name.startswith((*_EXTENSIONS, *_MESSAGES)):
        yield f"{path}: {name} does not run in the jail"
        return
    yield from _walk(unpack(packed), path)


def _reason(name: str, message: Any) -> str:  # noqa: ANN401
    """Return what a message would reach that nothing in the jail may."""
    match name:
        case "envoy.config.core.v3.DataSource":
            kind = message.WhichOneof("specifier")
            return f"a {kind} leads out of the jail" if kind in _OUTWARD else ""
        case "envoy.config.core.v3.Pipe":
            return "a pipe leads out of the jail"
        case "envoy.config.core.v3.ConfigSource":
            asks = message.WhichOneof("config_source_specifier") not in ("ads", None)
            return "nothing else is asked for configuration" if asks else ""
        case "envoy.config.core.v3.GrpcService":
            return "no service is called from the jail"
        case "envoy.extensions.access_loggers.file.v3.FileAccessLog":
            return "" if message.path in _STREAMS else f"{message.path} lies outside the jail"
        case "envoy.config.bootstrap.v3.RuntimeLayer":
            return "" if message.WhichOneof("layer_specifier") == "static_layer" else "not static"
        case _:
            return ""


_OUTWARD = ("filename", "environment_variable")
