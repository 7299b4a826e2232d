"""The VirtualService as written.

Follows   istio.io/api networking/v1alpha3/virtual_service.proto
"""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field

from simulator.config.model import (
    Bool,
    Double,
    Int32,
    LastingDuration,
    Spec,
    Text,
    UInt32,
    only_one,
)


class StringMatch(Spec):
    """A condition on text: just one of its forms; none asks that there is a value."""

    exact: Text | None = None
    prefix: Text | None = None
    regex: Text | None = None

    form = only_one("exact", "prefix", "regex")


class Percent(Spec):
    """A share, 0 to 100."""

    value: Double = 0.0


class PortSelector(Spec):
    """A service's port."""

    number: UInt32 = 0


class Destination(Spec):
    """Where requests go: a service, perhaps a subset of it."""

    host: Text
    subset: Text = ""
    port: PortSelector | None = None


class HeaderOperations(Spec):
    """What is done to the headers of one direction."""

    set: dict[str, Text] = Field(default_factory=dict)
    add: dict[str, Text] = Field(default_factory=dict)
    remove: tuple[Text, ...] = ()


class Headers(Spec):
    """What is done to headers."""

    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class HTTPMatchRequest(Spec):
    """Conditions on a request, all of which must hold."""

    name: Text = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = Field(default_factory=dict)
    port: UInt32 = 0
    source_labels: dict[str, Text] = Field(default_factory=dict)
    gateways: tuple[Text, ...] = ()
    query_params: dict[str, StringMatch] = Field(default_factory=dict)
    ignore_uri_case: Bool = False
    without_headers: dict[str, StringMatch] = Field(default_factory=dict)
    source_namespace: Text = ""
    stat_prefix: Text = ""


class HTTPRouteDestination(Spec):
    """One of a route's destinations."""

    destination: Destination
    weight: Int32 = 0
    headers: Headers | None = None


class HTTPRedirect(Spec):
    """An answer that sends the client elsewhere."""

    uri: Text = ""
    authority: Text = ""
    port: UInt32 | None = None
    derive_port: Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"] | None = None
    scheme: Text = ""
    redirect_code: UInt32 = 0
    prefix_rewrite: Text = ""

    port_from = only_one("port", "derive_port")


class HTTPBody(Spec):
    """A body: `string`, or `bytes` in base64."""

    string: Text | None = None
    bytes: Text | None = None

    form = only_one("string", "bytes")


class HTTPDirectResponse(Spec):
    """An answer that the proxy gives itself."""

    status: UInt32
    body: HTTPBody | None = None


class Delegate(Spec):
    """The VirtualService that has the routes for this one."""

    name: Text = ""
    namespace: Text = ""


class RegexRewrite(Spec):
    """A path rewritten by a regular expression."""

    match: Text = ""
    rewrite: Text = ""


class HTTPRewrite(Spec):
    """What is rewritten before a request is sent on."""

    uri: Text = ""
    authority: Text = ""
    uri_regex_rewrite: RegexRewrite | None = None


class HTTPRetry(Spec):
    """How failed requests are tried again."""

    attempts: Int32 = 0
    per_try_timeout_ns: LastingDuration | None = None
    retry_on: Text = ""
    retry_remote_localities: Bool | None = None
    retry_ignore_previous_hosts: Bool | None = None
    backoff_ns: LastingDuration | None = None


class FaultDelay(Spec):
    """Some requests wait."""

    percent: Int32 = 0
    percentage: Percent | None = None
    fixed_delay_ns: LastingDuration | None = None
    exponential_delay_ns: LastingDuration | None = None

    length = only_one("fixed_delay_ns", "exponential_delay_ns")


class FaultAbort(Spec):
    """Some requests are answered with an error."""

    percentage: Percent | None = None
    http_status: Int32 | None = None
    grpc_status: Text | None = None
    http2_error: Text | None = None

    error = only_one("http_status", "grpc_status", "http2_error")


class HTTPFaultInjection(Spec):
    """Faults that the client's proxy makes."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


class HTTPMirrorPolicy(Spec):
    """A destination that gets copies of requests."""

    destination: Destination
    percentage: Percent | None = None


class CorsPolicy(Spec):
    """Which pages of other origins may call."""

    allow_origin: tuple[Text, ...] = ()
    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: tuple[Text, ...] = ()
    allow_headers: tuple[Text, ...] = ()
    expose_headers: tuple[Text, ...] = ()
    max_age_ns: LastingDuration | None = None
    allow_credentials: Bool | None = None
    unmatched_preflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"] = "UNSPECIFIED"


class HTTPRoute(Spec):
    """One rule for HTTP requests."""

    name: Text = ""
    match: tuple[HTTPMatchRequest, ...] = ()
    route: tuple[HTTPRouteDestination, ...] = ()
    redirect: HTTPRedirect | None = None
    direct_response: HTTPDirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: HTTPRewrite | None = None
    timeout_ns: LastingDuration | None = None
    retries: HTTPRetry | None = None
    fault: HTTPFaultInjection | None = None
    mirror: Destination | None = None
    mirror_percent: UInt32 | None = Field(
        None, validation_alias=AliasChoices("mirrorPercent", "mirror_percent")
    )
    """Deprecated; the API takes both spellings."""
    mirror_percentage: Percent | None = None
    mirrors: tuple[HTTPMirrorPolicy, ...] | None = None
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None


class RouteDestination(Spec):
    """One of a TCP or TLS rule's destinations."""

    destination: Destination
    weight: Int32 = 0


class L4MatchAttributes(Spec):
    """Conditions on a connection."""

    destination_subnets: tuple[Text, ...] = ()
    port: UInt32 = 0
    source_subnet: Text = ""
    source_labels: dict[str, Text] = Field(default_factory=dict)
    gateways: tuple[Text, ...] = ()
    source_namespace: Text = ""


class TLSMatchAttributes(Spec):
    """Conditions on a TLS connection that is passed through."""

    sni_hosts: tuple[Text, ...]
    destination_subnets: tuple[Text, ...] = ()
    port: UInt32 = 0
    source_labels: dict[str, Text] = Field(default_factory=dict)
    gateways: tuple[Text, ...] = ()
    source_namespace: Text = ""


class TCPRoute(Spec):
    """One rule for TCP connections."""

    match: tuple[L4MatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class TLSRoute(Spec):
    """One rule for TLS connections that are passed through."""

    match: tuple[TLSMatchAttributes, ...]
    route: tuple[RouteDestination, ...] = ()


class VirtualService(Spec):
    """How requests for some hosts are routed."""

    hosts: tuple[Text, ...] = ()
    gateways: tuple[Text, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[TLSRoute, ...] = ()
    tcp: tuple[TCPRoute, ...] = ()
    export_to: tuple[Text, ...] = ()
