"""Routes as written: conditions on requests or connections, and where those go.

Follows   gateway-api apis/v1/{httproute,grpcroute,tlsroute}_types.go,
          apis/v1alpha2/{tcproute,udproute}_types.go
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from simulator.config.gateway_api.filters import GRPCRouteFilter, HTTPRouteFilter, Method, Path
from simulator.config.gateway_api.values import (
    BackendRef,
    Count,
    GatewayDuration,
    HeaderName,
    HeaderValue,
    Hostname,
    ParentReference,
    SectionName,
    SessionPersistence,
)
from simulator.config.model import Spec, Text

MatchType = Literal["Exact", "RegularExpression"]


class HTTPPathMatch(Spec):
    """A condition on the path."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: Path = "/"


class HTTPHeaderMatch(Spec):
    """A condition on a header."""

    type: MatchType = "Exact"
    name: HeaderName
    value: HeaderValue


class HTTPQueryParamMatch(Spec):
    """A condition on a query parameter."""

    type: MatchType = "Exact"
    name: HeaderName
    value: Annotated[Text, Field(min_length=1, max_length=1024)]


class HTTPRouteMatch(Spec):
    """Conditions on a request, all of which must hold."""

    path: HTTPPathMatch = HTTPPathMatch()
    headers: tuple[HTTPHeaderMatch, ...] = Field(default=(), max_length=16)
    query_params: tuple[HTTPQueryParamMatch, ...] = Field(default=(), max_length=16)
    method: Method | None = None


class HTTPBackendRef(BackendRef):
    """A destination, and what is done to the requests that it gets."""

    filters: tuple[HTTPRouteFilter, ...] = Field(default=(), max_length=16)


class HTTPRouteTimeouts(Spec):
    """How long requests may take."""

    request: GatewayDuration | None = None
    backend_request: GatewayDuration | None = None


class HTTPRouteRetry(Spec):
    """How failed requests are tried again."""

    codes: tuple[Annotated[int, Strict(), Field(ge=400, le=599)], ...] = ()
    attempts: Count | None = None
    backoff: GatewayDuration | None = None


class HTTPRouteRule(Spec):
    """One rule for HTTP requests."""

    name: SectionName | None = None
    matches: tuple[HTTPRouteMatch, ...] = Field(default=(HTTPRouteMatch(),), max_length=64)
    filters: tuple[HTTPRouteFilter, ...] = Field(default=(), max_length=16)
    backend_refs: tuple[HTTPBackendRef, ...] = Field(default=(), max_length=16)
    timeouts: HTTPRouteTimeouts | None = None
    retry: HTTPRouteRetry | None = None
    session_persistence: SessionPersistence | None = None


class Route(Spec):
    """What every kind of route has."""

    parent_refs: tuple[ParentReference, ...] = Field(default=(), max_length=32)
    use_default_gateways: Literal["All", "None"] | None = None


class HTTPRoute(Route):
    """How HTTP requests for some hosts are routed."""

    hostnames: tuple[Hostname, ...] = Field(default=(), max_length=16)
    rules: tuple[HTTPRouteRule, ...] = Field(
        default=(HTTPRouteRule(),), min_length=1, max_length=16
    )


class GRPCMethodMatch(Spec):
    """A condition on the service and method that are called."""

    type: MatchType = "Exact"
    service: Annotated[Text, Field(max_length=1024)] | None = None
    method: Annotated[Text, Field(max_length=1024)] | None = None


class GRPCHeaderMatch(Spec):
    """A condition on a header."""

    type: MatchType = "Exact"
    name: HeaderName
    value: Annotated[Text, Field(min_length=1, max_length=4096)]


class GRPCRouteMatch(Spec):
    """Conditions on a call, all of which must hold."""

    method: GRPCMethodMatch | None = None
    headers: tuple[GRPCHeaderMatch, ...] = Field(default=(), max_length=16)


class GRPCBackendRef(BackendRef):
    """A destination, and what is done to the calls that it gets."""

    filters: tuple[GRPCRouteFilter, ...] = Field(default=(), max_length=16)


class GRPCRouteRule(Spec):
    """One rule for gRPC calls."""

    name: SectionName | None = None
    matches: tuple[GRPCRouteMatch, ...] = Field(default=(), max_length=64)
    filters: tuple[GRPCRouteFilter, ...] = Field(default=(), max_length=16)
    backend_refs: tuple[GRPCBackendRef, ...] = Field(default=(), max_length=16)
    session_persistence: SessionPersistence | None = None


class GRPCRoute(Route):
    """How gRPC calls for some hosts are routed."""

    hostnames: tuple[Hostname, ...] = Field(default=(), max_length=16)
    rules: tuple[GRPCRouteRule, ...] = Field(default=(), max_length=16)


class L4RouteRule(Spec):
    """Where connections go."""

    name: SectionName | None = None
    backend_refs: tuple[BackendRef, ...] = Field(min_length=1, max_length=16)


class TCPRoute(Route):
    """How connections are routed."""

    rules: tuple[L4RouteRule, ...] = Field(min_length=1, max_length=1)


class UDPRoute(Route):
    """How datagrams are routed."""

    rules: tuple[L4RouteRule, ...] = Field(min_length=1, max_length=1)


class TLSRoute(Route):
    """How TLS connections are routed by the server name that they ask for."""

    hostnames: tuple[Hostname, ...] = Field(min_length=1, max_length=1024)
    rules: tuple[L4RouteRule, ...] = Field(min_length=1, max_length=1)


class TCPRouteAlpha(Route):
    """The TCPRoute of v1alpha2, with several rules."""

    rules: tuple[L4RouteRule, ...] = Field(min_length=1, max_length=16)


class UDPRouteAlpha(Route):
    """The UDPRoute of v1alpha2, with several rules."""

    rules: tuple[L4RouteRule, ...] = Field(min_length=1, max_length=16)


class TLSRouteAlpha(Route):
    """The TLSRoute of v1alpha2, perhaps without host names."""

    hostnames: tuple[Hostname, ...] = Field(default=(), max_length=16)
    rules: tuple[L4RouteRule, ...] = Field(min_length=1, max_length=16)
