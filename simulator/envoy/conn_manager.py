"""What the connection manager does to a request's headers before any filter sees them.

A request counts as internal only if it comes from an address that the configuration calls
internal; from all others Envoy takes the headers that would steer retries and time-outs.

Models    HttpConnectionManager.{use_remote_address, internal_address_config, skip_xff_append, via}
Follows   envoy/source/common/http/conn_manager_utility.cc (mutateRequestHeaders)
Leaves    trusted hops, original IP detection, XFCC (docs/fidelity.md#client-identity)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from simulator.envoy.commands import Response
from simulator.envoy.connection import Connection
from simulator.envoy.header_map import Headers, first, replaced, with_headers, without
from simulator.envoy.http import HttpChain, Underscores
from simulator.envoy.match import is_grpc
from simulator.envoy.path import BadPathError, normalized, without_port, without_trailing_dot
from simulator.envoy.request import Request

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "x-envoy-internal",
        "x-forwarded-client-cert",
    }
)

_FOR_INTERNAL = frozenset(
    {
        "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names",
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-force-trace",
        "x-envoy-ip-tags",
        "x-envoy-original-url",
        "x-envoy-hedge-on-per-try-timeout",
    }
)
"""Headers that only internal clients may send."""

_FOR_MESH = frozenset(
    {
        "x-envoy-decorator-operation",
        "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node",
    }
)
"""Headers that no client at the edge may send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request as the filters see it, and who sent it."""

    request: Request
    client: str
    """The client's address: the peer's, or what trusted headers say it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An answer to a request that no filter sees."""

    status: int
    details: str
    headers: Headers = ()
    body: str = ""
    flag: str = ""


def prepare(chain: HttpChain, request: Request, connection: Connection | None) -> Request | Refused:
    """Return a request with its path, host and headers in the form that is asked for."""
    path, host, headers = request.path, request.authority, request.headers
    if chain.underscores is not Underscores.ALLOW and any("_" in name for name, _ in headers):
        if chain.underscores is Underscores.REJECT:
            return _PROTOCOL_ERROR
        headers = tuple(pair for pair in headers if "_" not in pair[0])
    if path and request.method != "CONNECT":
        if path[0] != "/":
            return Refused(status=404, details="absolute_path_rejected")
        try:
            changed = normalized(chain.path_rules, path)
        except BadPathError:
            return Refused(status=400, details=_BAD_PATH)
        if changed.redirect:
            if is_grpc(request):
                return Refused(status=400, details=_BAD_PATH)
            location = (("location", changed.path),)
            return Refused(status=307, details=_BAD_PATH, headers=location)
        path = changed.path
    if chain.strip_trailing_host_dot:
        host = without_trailing_dot(host)
    if chain.strip_any_host_port:
        host = without_port(host)
    elif chain.strip_matching_host_port and connection is not None:
        host = without_port(host, connection.port)
    if (path, host, headers) == (request.path, request.authority, request.headers):
        return request
    return Request(
        method=request.method,
        authority=host,
        path=path,
        headers=headers,
        scheme=request.scheme,
    )


_BAD_PATH = "path_normalization_failed"
_PROTOCOL_ERROR = Refused(
    status=400, details="http1.unexpected_underscore", body="Bad Request", flag="DPE"
)


def admit(
    chain: HttpChain,
    request: Request,
    connection: Connection | None,
    internal_only: Collection[str] = (),
) -> Admitted:
    """Return the request as the filters see it; `internal_only` are the route table's."""
    headers = _without_hop_by_hop(request.headers)
    source = connection.source_ip if connection is not None else ""
    scheme = "https" if connection is not None and connection.transport == "tls" else "http"
    forwarded = first(headers, "x-forwarded-for")
    if chain.use_remote_address:
        alone = forwarded is None
        trusted = chain.xff_num_trusted_hops
        client = _last_address(forwarded, trusted - 1) if trusted else ""
        client = client or source
        if source and not chain.skip_xff_append:
            value = f"{forwarded},{source}" if forwarded else source
            headers = replaced(headers, "x-forwarded-for", value)
        if not trusted or first(headers, "x-forwarded-proto") is None:
            headers = replaced(headers, "x-forwarded-proto", scheme)
    else:
        # An address that stands alone in x-forwarded-for is believed.
        alone = forwarded is not None and "," not in forwarded and not chain.xff_num_trusted_hops
        client = _last_address(forwarded, chain.xff_num_trusted_hops)
        if first(headers, "x-forwarded-proto") is None:
            headers = (*headers, ("x-forwarded-proto", scheme))
    if alone and client and _is_internal(client, chain.internal_cidrs):
        headers = replaced(headers, "x-envoy-internal", "true")
    else:
        headers = _clean(headers, internal_only, edge=chain.use_remote_address)
        if chain.use_remote_address and client:
            headers = replaced(headers, "x-envoy-external-address", client)
    headers = _by_way_of(chain, headers)
    return Admitted(request=with_headers(request, headers), client=client or source)


def _by_way_of(chain: HttpChain, headers: Headers) -> Headers:
    """Return headers that say that the message came this way, if it is to be said."""
    if not chain.via:
        return headers
    before = first(headers, "via")
    return replaced(headers, "via", f"{before}, {chain.via}" if before else chain.via)


def _without_hop_by_hop(headers: Headers) -> Headers:
    """Return headers without those that are the connection's affair."""
    named = first(headers, "connection")
    if named is not None:
        headers = without(headers, {name.strip().lower() for name in named.split(",")})
    accepted = first(headers, "te")
    if accepted is not None:
        trailers = "trailers" in (one.strip() for one in accepted.split(","))
        headers = replaced(headers, "te", "trailers") if trailers else without(headers, {"te"})
    return without(headers, _HOP_BY_HOP)


def release(chain: HttpChain, response: Response) -> Response:
    """Return the response as it goes to the client."""
    headers = _by_way_of(chain, response.headers)
    transformation = chain.server_header
    if transformation == "OVERWRITE" or (
        transformation == "APPEND_IF_ABSENT" and first(headers, "server") is None
    ):
        headers = replaced(headers, "server", chain.server_name)
    return Response(status=response.status, headers=headers, body=response.body)


def _last_address(forwarded: str | None, skip: int) -> str:
    """Return an address of `x-forwarded-for`, the last one but `skip`; empty if it is none."""
    if forwarded is None:
        return ""
    parts = forwarded.split(",")
    if skip >= len(parts):
        return ""
    last = parts[len(parts) - 1 - skip].strip(" \t")
    try:
        return str(ip_address(last))
    except ValueError:
        return ""


def _clean(headers: Headers, internal_only: Collection[str], *, edge: bool) -> Headers:
    headers = without(headers, _FOR_INTERNAL)
    if internal_only:
        headers = without(headers, internal_only)
    return without(headers, _FOR_MESH) if edge else headers


def _is_internal(address: str, cidrs: tuple[str, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in ip_network(cidr, strict=False) for cidr in cidrs)
