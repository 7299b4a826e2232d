"""What each command of a format string stands for.

Follows   envoy/source/common/formatter/{stream_info_formatter,http_specific_formatter}.cc
Leaves    the commands in `UNMODELLED` (docs/fidelity.md#format-commands)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from simulator.envoy import cel
from simulator.envoy.cel_parse import UnmodelledError
from simulator.envoy.connection import Connection
from simulator.envoy.format_time import date, span
from simulator.envoy.grpc import CAMEL, SNAKE, is_grpc, status_of
from simulator.envoy.request import PLAIN, Request, StreamInfo
from simulator.envoy.response_flags import LONG
from simulator.envoy.tls import Certificate

if TYPE_CHECKING:
    from simulator.envoy.cluster import Cluster, Endpoint
    from simulator.envoy.upstream_request import Tried

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a request, or a connection, ended: what an access log knows besides."""

    log_type: str
    """`DownstreamEnd`, `TcpConnectionEnd` or, for a listener's log, `NotSet`."""
    started_ns: int = 0
    sent_ns: int | None = None
    """When it was last sent upstream whole."""
    responded_ns: int | None = None
    """When the response began."""
    ended_ns: int = 0
    wall_ns: int = 0
    """What is to be added for the time since 1970."""
    protocol: str | None = None
    upstream_protocol: str | None = None
    flags: tuple[str, ...] = ()
    details: str = ""
    termination: str = ""
    transport_failure: str = ""
    attempts: int = 0
    cluster: Cluster | None = None
    host: Endpoint | None = None
    """Of the last attempt."""
    connected: bool = False
    """Whether there was a connection to it."""
    tried: tuple[Tried, ...] = ()
    reached: tuple[str, ...] = ()
    """`ip:port` of the hosts to which there was one, each once."""
    local_address: str = ""
    """From which address the proxy connected upstream."""
    received_bytes: int | None = None
    sent_bytes: int | None = None
    filter_chain: str = ""
    virtual_host: str = ""
    virtual_cluster: str | None = None
    counted_as: str = ""
    """The virtual cluster in statistics, where there are any: `other` if none fits."""
    routed: bool = False
    """Whether it came to the router."""
    redirected: bool = False

    def at(self, point: str) -> int | None:
        """Return when something happened, by Envoy's name of it."""
        match point:
            case "DS_RX_BEG" | "DS_RX_END":
                return self.started_ns
            case "US_TX_BEG" | "US_TX_END":
                return self.sent_ns
            case "US_RX_BEG" | "US_RX_END":
                return self.responded_ns
            case "DS_TX_BEG" | "DS_TX_END":
                return self.ended_ns
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a format string may speak of."""

    request: Request
    response_headers: tuple[tuple[str, str], ...] = ()
    info: StreamInfo = PLAIN
    route_name: str = ""
    cluster: str = ""
    status: int | None = None
    end: End | None = None
    """Absent as long as the request is under way."""
    local_reply_body: str = ""
    """What the proxy says, as long as it is making up its answer."""


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value as a format string shows it: a text as it is, others as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value whose whole numbers have no fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _names(argument: str) -> list[str]:
    return [name.strip().lower() for name in argument.split("?", 1)]


def _request_header(argument: str, facts: Facts) -> str | None:
    for name in _names(argument):
        if (value := facts.request.first(name)) is not None:
            return value
    return None


def _response_header(argument: str, facts: Facts) -> str | None:
    for name in _names(argument):
        if name == ":status" and facts.status:
            return str(facts.status)
        for key, value in facts.response_headers:
            if key == name:
                return value
    return None


def _path(argument: str, facts: Facts) -> str | None:
    query, _, which = argument.partition(":")
    path: str | None = facts.request.path
    if which != "PATH":
        original = facts.request.first("x-envoy-original-path")
        path = original if original is not None or which == "ORIG" else path
    if path and query == "NQ":
        path = path.partition("?")[0]
    return path or None


def _query_parameter(argument: str, facts: Facts) -> str | None:
    name, _, _ = argument.partition(":")
    _, _, query = facts.request.path.partition("?")
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return None


def _query(argument: str, facts: Facts) -> str | None:
    query = facts.request.path.partition("?")[2]
    return (unquote(query) if argument == "DECODED" else query) or None


def _within(value: Any, steps: list[str]) -> Any:  # noqa: ANN401 - any JSON value
    """Return what stands below the keys in nested objects."""
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return plain(value)


def _dynamic_metadata(argument: str, facts: Facts) -> Any:  # noqa: ANN401 - any JSON value
    return _within(facts.info.metadata, argument.split(":"))


def _filter_state(argument: str, facts: Facts) -> str | None:
    return facts.info.filter_state.get(argument.split(":")[0])


def _source(_: str, facts: Facts) -> str | None:
    """Return the client's address; one that headers tell has no port."""
    client, connection = facts.info.source_address, facts.info.connection
    if not client:
        return None
    own = connection is not None and connection.source_ip == client
    return _joined(client, connection.source_port if connection is not None and own else 0)


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _masked(address: str | None, argument: str) -> str | None:
    """Return an address, or the network that a `MASK_PREFIX_LEN=n` makes of it."""
    _, _, bits = argument.partition("=")
    if not address or not bits.isdigit():
        return address or None
    try:
        return str(ip_network(f"{address}/{bits}", strict=False))
    except ValueError:
        return address


def _of_connection(
    part: Callable[[Connection], Any],
) -> Callable[[str, Facts], Any]:
    def value(_: str, facts: Facts) -> Any:  # noqa: ANN401 - any JSON value
        return part(facts.info.connection) if facts.info.connection is not None else None

    return value


def _direct(connection: Connection) -> str:
    return connection.direct_source_ip or connection.source_ip


def _of_certificate(
    side: str, part: Callable[[Certificate], str]
) -> Callable[[str, Facts], str | None]:
    def value(_: str, facts: Facts) -> str | None:
        connection = facts.info.connection
        if connection is None or connection.transport != "tls":
            return None
        certificate: Certificate | None = getattr(connection, side)
        return part(certificate) or None if certificate is not None else None

    return value


def _server_name(_: str, facts: Facts) -> str | None:
    connection = facts.info.connection
    tls = connection is not None and connection.transport == "tls"
    return connection.sni or None if tls and connection is not None else None


def _cel(argument: str, facts: Facts) -> str | None:
    try:
        return cel.text_of(cel.checked(argument), facts)
    except UnmodelledError:
        return None


def _no_value(_: str, __: Facts) -> None:
    return None


COMMANDS: dict[str, Callable[[str, Facts], Any]] = {
    "REQ": _request_header,
    "REQUEST_HEADER": _request_header,
    "RESP": _response_header,
    "RESPONSE_HEADER": _response_header,
    "PATH": _path,
    "QUERY_PARAM": _query_parameter,
    "QUERY_PARAMS": _query,
    "DYNAMIC_METADATA": _dynamic_metadata,
    "FILTER_STATE": _filter_state,
    "START_TIME": lambda form, facts: date(facts.info.start_ns, form),
    "START_TIME_LOCAL": lambda form, facts: date(facts.info.start_ns, form, "+0000"),
    "DOWNSTREAM_REMOTE_ADDRESS": _source,
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": lambda argument, facts: _masked(
        facts.info.source_address, argument
    ),
    "DOWNSTREAM_REMOTE_PORT": lambda _, facts: int((_source(_, facts) or ":0").rpartition(":")[2]),
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": _of_connection(
        lambda one: _joined(_direct(one), one.source_port)
    ),
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": _of_connection(_direct),
    "DOWNSTREAM_DIRECT_REMOTE_PORT": _of_connection(lambda one: one.source_port),
    "DOWNSTREAM_LOCAL_ADDRESS": _of_connection(lambda one: _joined(one.address, one.port)),
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": _of_connection(lambda one: one.address),
    "DOWNSTREAM_LOCAL_PORT": _of_connection(lambda one: one.port),
    "DOWNSTREAM_LOCAL_URI_SAN": _of_certificate("local", lambda one: ",".join(one.uri_sans)),
    "DOWNSTREAM_LOCAL_DNS_SAN": _of_certificate("local", lambda one: ",".join(one.dns_sans)),
    "DOWNSTREAM_LOCAL_SUBJECT": _of_certificate("local", lambda one: one.subject),
    "DOWNSTREAM_PEER_URI_SAN": _of_certificate("peer", lambda one: ",".join(one.uri_sans)),
    "DOWNSTREAM_PEER_DNS_SAN": _of_certificate("peer", lambda one: ",".join(one.dns_sans)),
    "DOWNSTREAM_PEER_SUBJECT": _of_certificate("peer", lambda one: one.subject),
    "DOWNSTREAM_PEER_FINGERPRINT_256": _of_certificate("peer", lambda one: one.digest),
    "REQUESTED_SERVER_NAME": _server_name,
    "ROUTE_NAME": lambda _, facts: facts.route_name or None,
    "UPSTREAM_CLUSTER": lambda _, facts: facts.cluster or None,
    "UPSTREAM_CLUSTER_RAW": lambda _, facts: facts.cluster or None,
    "RESPONSE_CODE": lambda _, facts: facts.status,
    "STREAM_ID": lambda _, facts: facts.request.first("x-request-id"),
    "CEL": _cel,
    "TRAILER": _no_value,
    "RESPONSE_TRAILER": _no_value,
    "ROUNDTRIP_DURATION": _no_value,
    "TRACE_ID": _no_value,
    "SPAN_ID": _no_value,
}
"""Commands by name, as long as the request is under way and after: the argument in, the value
out, None where there is none."""


def _observed_cluster(_: str, facts: Facts, end: End) -> str | None:
    """Return the name under which the cluster is spoken of in statistics."""
    if end.cluster is None:
        return facts.cluster or None
    return end.cluster.alt_stat_name or end.cluster.name


def _metadata(argument: str, facts: Facts, end: End) -> Any:  # noqa: ANN401 - any JSON value
    kind, *steps = argument.split(":")
    if kind == "DYNAMIC":
        return _within(facts.info.metadata, steps)
    if kind == "CLUSTER":
        return _within(end.cluster.metadata if end.cluster is not None else None, steps)
    if kind == "UPSTREAM_HOST":
        return _host_metadata(":".join(steps), facts, end)
    return None


def _host_metadata(argument: str, _: Facts, end: End) -> Any:  # noqa: ANN401 - any JSON value
    known = end.host.metadata.get("filter_metadata") if end.host is not None else None
    return _within(known, argument.split(":"))


def _grpc_status(form: str, facts: Facts, _: End) -> str | int | None:
    if not is_grpc(facts.request):
        return None
    status = status_of(facts.response_headers, facts.status)
    if status is None or form == "NUMBER":
        return status
    words = SNAKE if form == "SNAKE_STRING" else CAMEL
    return words[status] if 0 <= status < len(words) else str(status)


def _details(argument: str, _: Facts, end: End) -> str | None:
    return (end.details if argument == "ALLOW_WHITESPACES" else _joined_up(end.details)) or None


def _joined_up(words: str) -> str:
    """Return words without white space, so that a line can be taken apart again."""
    return "_".join(words.split())


def _common_duration(argument: str, _: Facts, end: End) -> int | None:
    start, stop, unit = argument.split(":")
    return span(end.at(start), end.at(stop), unit)


def _header_bytes(headers: tuple[tuple[str, str], ...]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in headers)


def _request_bytes(_: str, facts: Facts, __: End) -> int:
    request = facts.request
    pseudo = [(f":{name}", getattr(request, name)) for name in ("method", "authority", "path")]
    pseudo.append((":scheme", request.scheme))
    return _header_bytes((*((name, value) for name, value in pseudo if value), *request.headers))


def _response_bytes(_: str, facts: Facts, __: End) -> int:
    status = ((":status", str(facts.status)),) if facts.status else ()
    return _header_bytes((*status, *facts.response_headers))


def _peer(end: End, part: Callable[[Endpoint], T]) -> T | None:
    """Return a part of the host that the proxy was connected with."""
    return part(end.host) if end.host is not None and end.connected else None


def _host_name(end: End) -> str | None:
    return (end.host.hostname or end.host.key) if end.host is not None else None


LOG_COMMANDS: dict[str, Callable[[str, Facts, End], Any]] = {
    "ACCESS_LOG_TYPE": lambda _, __, end: end.log_type,
    "BYTES_RECEIVED": lambda _, __, end: end.received_bytes,
    "BYTES_SENT": lambda _, __, end: end.sent_bytes,
    "CLUSTER_METADATA": lambda argument, facts, end: _metadata(f"CLUSTER:{argument}", facts, end),
    "COMMON_DURATION": _common_duration,
    "CONNECTION_TERMINATION_DETAILS": lambda _, __, end: end.termination or None,
    "CUSTOM_FLAGS": lambda _, __, ___: "",
    "DURATION": lambda _, __, end: span(end.started_ns, end.ended_ns),
    "EMIT_TIME": lambda form, _, end: date(end.wall_ns + end.ended_ns, form),
    "EMIT_TIME_LOCAL": lambda form, _, end: date(end.wall_ns + end.ended_ns, form, "+0000"),
    "FILTER_CHAIN_NAME": lambda _, __, end: end.filter_chain or None,
    "GRPC_STATUS": _grpc_status,
    "GRPC_STATUS_NUMBER": lambda _, facts, end: _grpc_status("NUMBER", facts, end),
    "LOCAL_REPLY_BODY": lambda _, facts, __: facts.local_reply_body,
    "METADATA": _metadata,
    "PROTOCOL": lambda _, __, end: end.protocol,
    "REQUEST_DURATION": lambda _, __, end: 0 if end.protocol else None,
    "REQUEST_HEADERS_BYTES": _request_bytes,
    "REQUEST_TX_DURATION": lambda _, __, end: span(end.started_ns, end.sent_ns),
    "RESPONSE_CODE": lambda _, facts, __: facts.status or 0,
    "RESPONSE_CODE_DETAILS": _details,
    "RESPONSE_DURATION": lambda _, __, end: span(end.started_ns, end.responded_ns),
    "RESPONSE_FLAGS": lambda _, __, end: ",".join(end.flags) or "-",
    "RESPONSE_FLAGS_LONG": lambda _, __, end: ",".join(LONG[flag] for flag in end.flags) or "-",
    "RESPONSE_HEADERS_BYTES": _response_bytes,
    "RESPONSE_TRAILERS_BYTES": lambda _, __, ___: 0,
    "RESPONSE_TX_DURATION": lambda _, __, end: span(end.responded_ns, end.ended_ns),
    "UPSTREAM_CLUSTER": _observed_cluster,
    "UPSTREAM_HOST": lambda _, __, end: end.host.key if end.host is not None else None,
    "UPSTREAM_HOSTS_ATTEMPTED": lambda _, __, end: ",".join(end.reached) or None,
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": lambda _, __, end: (
        ",".join(each.rpartition(":")[0] for each in end.reached) or None
    ),
    "UPSTREAM_HOST_NAME": lambda _, __, end: _host_name(end),
    "UPSTREAM_HOST_NAME_WITHOUT_PORT": lambda _, __, end: (
        (_host_name(end) or "").partition(":")[0] or None
    ),
    "UPSTREAM_LOCAL_ADDRESS": lambda _, __, end: end.local_address or None,
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": lambda _, __, end: (
        end.local_address.rpartition(":")[0] or None
    ),
    "UPSTREAM_METADATA": _host_metadata,
    "UPSTREAM_PROTOCOL": lambda _, __, end: end.upstream_protocol,
    "UPSTREAM_REMOTE_ADDRESS": lambda _, __, end: _peer(end, lambda host: host.key),
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": lambda argument, __, end: _masked(
        _peer(end, lambda host: host.address), argument
    ),
    "UPSTREAM_REMOTE_PORT": lambda _, __, end: _peer(end, lambda host: host.port),
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": lambda _, __, end: end.attempts,
    "UPSTREAM_TRANSPORT_FAILURE_REASON": lambda _, __, end: (
        _joined_up(end.transport_failure) or None
    ),
    "VIRTUAL_CLUSTER_NAME": lambda _, __, end: end.virtual_cluster,
}
"""Commands that have a value only when all is over."""

_UNMODELLED = """
    CONNECTION_ID DOWNSTREAM_CX_RTT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_LOCAL_PORT
    DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_SENT
    DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_LOCAL_EMAIL_SAN
    DOWNSTREAM_LOCAL_IP_SAN DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_PEER_CERT
    DOWNSTREAM_PEER_CERT_V_END DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1
    DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_EMAIL_SAN
    DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_ISSUER
    DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL
    DOWNSTREAM_PEER_OTHERNAME_SAN DOWNSTREAM_PEER_SERIAL DOWNSTREAM_TLS_CIPHER
    DOWNSTREAM_TLS_GROUP DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TLS_VERSION
    DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED
    DOWNSTREAM_WIRE_BYTES_SENT ENVIRONMENT HOSTNAME LISTENER_NAME ROUTE_RESOLUTION_COUNT
    ROUTE_RESOLUTION_TIME_US TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT UNIQUE_ID
    UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED
    UPSTREAM_CONNECTION_POOL_READY_DURATION UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_FILTER_STATE
    UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST_NAMES_ATTEMPTED
    UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_DNS_SAN
    UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_PORT UPSTREAM_LOCAL_URI_SAN UPSTREAM_PEER_CERT
    UPSTREAM_PEER_CERT_V_END UPSTREAM_PEER_CERT_V_START UPSTREAM_PEER_DNS_SAN
    UPSTREAM_PEER_IP_SAN UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN
    UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID UPSTREAM_SERVER_NAME UPSTREAM_TLS_CIPHER
    UPSTREAM_TLS_GROUP UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION UPSTREAM_WIRE_BYTES_RECEIVED
    UPSTREAM_WIRE_BYTES_SENT
"""
UNMODELLED = frozenset(_UNMODELLED.split())
"""Commands that Envoy takes and the simulator renders empty."""
