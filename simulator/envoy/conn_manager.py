"""What the connection manager does to a request's headers before any filter sees them.

A request counts as internal only if it comes from an address that the configuration calls
internal; from all others Envoy takes the headers that would steer retries and time-outs.

Models    HttpConnectionManager.{use_remote_address, xff_num_trusted_hops, skip_xff_append, via,
          internal_address_config, forward_client_cert_details, generate_request_id}
Follows   envoy/source/common/http/conn_manager_utility.cc (mutateRequestHeaders)
Leaves    original IP detection, certificates in XFCC (docs/fidelity.md#client-identity)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from simulator.envoy.commands import Response
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Draws
from simulator.envoy.grpc import is_grpc
from simulator.envoy.header_map import Headers, first, replaced, without
from simulator.envoy.http import HttpChain, Underscores
from simulator.envoy.local_reply import Reply
from simulator.envoy.path import BadPathError, normalized, without_port, without_trailing_dot
from simulator.envoy.request import BYTES, Request
from simulator.envoy.request_id import REQUEST_ID, SERVICE_FORCED, Tracing, trace_mark, traced, uuid
from simulator.envoy.route import NoRoute, RouteMatch
from simulator.envoy.upgrade import wanted

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "x-envoy-internal",
    }
)

_UPGRADE = {"connection", "upgrade"}
"""What stays where the client asks for another protocol."""

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
        "x-envoy-original-path",
    }
)
"""Headers that no client at the edge may send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request as the filters see it, and who sent it."""

    request: Request
    client: str
    """The client's address: the peer's, or what trusted headers say it is."""
    trace_forced: bool = False
    """Whether a service wants the request traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An answer to a request that no filter sees."""

    status: int
    details: str
    headers: Headers = ()
    body: str = ""
    flag: str = ""
    parsed: bool = True
    """Whether the codec took it; what it refuses is a request of no kind."""

    def left(self, request: Request) -> Request:
        """Return what is known of the request."""
        return request if self.parsed else replace(request, headers=())

    @property
    def reply(self) -> Reply:
        """Return the answer."""
        return Reply(status=self.status, body=self.body, headers=self.headers)


def prepare(chain: HttpChain, request: Request, connection: Connection | None) -> Request | Refused:
    """Return a request with its path, host and headers in the form that is asked for."""
    if request is BYTES:
        return _NOT_HTTP
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
        body=request.body,
    )


_BAD_PATH = "path_normalization_failed"
_NOT_HTTP = Refused(status=400, details="http1.codec_error", body="Bad Request", flag="DPE")
_PROTOCOL_ERROR = Refused(
    status=400, details="http1.unexpected_underscore", body="Bad Request", flag="DPE", parsed=False
)


def admit(
    chain: HttpChain,
    request: Request,
    connection: Connection | None,
    draws: Draws,
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
    edge = chain.use_remote_address
    if alone and client and _is_internal(client, chain.internal_cidrs):
        edge = False
        headers = replaced(headers, "x-envoy-internal", "true")
    else:
        headers = _clean(headers, internal_only, edge=edge)
        if edge and client:
            headers = replaced(headers, "x-envoy-external-address", client)
    if chain.generate_request_id and (
        (edge and not chain.preserve_external_request_id) or first(headers, REQUEST_ID) is None
    ):
        given = uuid(draws.next("request id"), draws.next("request id"))
        headers = replaced(headers, REQUEST_ID, given)
    forced = False
    if chain.tracing is not None:
        headers, forced = _traced(chain.tracing, headers, draws)
    headers = _vouched(chain, _by_way_of(chain, headers), connection)
    # HTTP/1.1 has no scheme of its own.
    told = first(headers, "x-forwarded-proto")
    admitted = Request(
        method=request.method,
        authority=request.authority,
        path=request.path,
        headers=headers,
        scheme=told if told in ("http", "https") else request.scheme,
        body=request.body,
    )
    return Admitted(request=admitted, client=client or source, trace_forced=forced)


def may_upgrade(chain: HttpChain, headers: Headers, match: RouteMatch | NoRoute | None) -> bool:
    """Say whether a request on a route may ask for what it asks for: another protocol, or none."""
    protocol = wanted(headers)
    if not protocol or not isinstance(match, RouteMatch):
        return True
    return match.route.upgrades.get(protocol, chain.upgrades.get(protocol, False))


def _traced(tracing: Tracing, headers: Headers, draws: Draws) -> tuple[Headers, bool]:
    """Return headers whose request id says whether to trace, and whether a service wants it."""
    client = first(headers, "x-client-trace-id") is not None
    text = traced(
        tracing,
        first(headers, REQUEST_ID) or "",
        draws.next("client sampling") if client else 0,
        client=client,
        service=first(headers, "x-envoy-force-trace") is not None,
    )
    if text:
        headers = replaced(headers, REQUEST_ID, text)
    return headers, trace_mark(text) == SERVICE_FORCED


def _by_way_of(chain: HttpChain, headers: Headers) -> Headers:
    """Return headers that say that the message came this way, if it is to be said."""
    if not chain.via:
        return headers
    before = first(headers, "via")
    return replaced(headers, "via", f"{before}, {chain.via}" if before else chain.via)


def _vouched(chain: HttpChain, headers: Headers, connection: Connection | None) -> Headers:
    """Return headers that tell of the client's certificate as far as that is wanted."""
    mode, name = chain.forward_client_cert, "x-forwarded-client-cert"
    if mode == "ALWAYS_FORWARD_ONLY":
        return headers
    secured = connection is not None and connection.transport == "tls"
    peer = connection.peer if connection is not None and secured else None
    if mode == "SANITIZE" or connection is None or peer is None:
        return without(headers, {name})
    if mode == "FORWARD_ONLY":
        return headers
    told = [f"By={uri}" for uri in (connection.local.uri_sans[:1] if connection.local else ())]
    if peer.digest:
        told.append(f"Hash={peer.digest}")
    if "subject" in chain.client_cert_details:
        told.append(f'Subject="{peer.subject}"')
    if "uri" in chain.client_cert_details:
        told += (f"URI={uri}" for uri in peer.uri_sans or ("",))
    if "dns" in chain.client_cert_details:
        told += (f"DNS={dns}" for dns in peer.dns_sans)
    before = first(headers, name) if mode == "APPEND_FORWARD" else None
    value = ";".join(told)
    return replaced(headers, name, f"{before},{value}" if before else value)


def _without_hop_by_hop(headers: Headers) -> Headers:
    """Return headers without those that are the connection's affair."""
    if wanted(headers):
        return without(headers, _HOP_BY_HOP - _UPGRADE)
    named = first(headers, "connection")
    if named is not None:
        headers = without(headers, {name.strip().lower() for name in named.split(",")})
    accepted = first(headers, "te")
    if accepted is not None:
        trailers = "trailers" in (one.strip() for one in accepted.split(","))
        headers = replaced(headers, "te", "trailers") if trailers else without(headers, {"te"})
    return without(headers, _HOP_BY_HOP)


def release(chain: HttpChain, request: Request, response: Response) -> Response:
    """Return the response to a request as it goes to the client."""
    headers = _by_way_of(chain, response.headers)
    if chain.always_set_request_id_in_response:
        made = request.first(REQUEST_ID)
        headers = headers if made is None else replaced(headers, REQUEST_ID, made)
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
