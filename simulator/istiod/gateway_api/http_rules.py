"""Turn the rules of HTTPRoutes and GRPCRoutes into those of VirtualServices, one a match.

Follows   istio pilot/pkg/config/kube/gateway/conversion.go (convertHTTPRoute,
          convertGRPCRoute, sortHTTPRoutes)
Leaves    session persistence, external authorization (docs/fidelity.md#gateway-api)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.config.gateway_api.filters import (
    GRPCRouteFilter,
    HTTPCORSFilter,
    HTTPHeader,
    HTTPHeaderFilter,
    HTTPPathModifier,
    HTTPRequestMirrorFilter,
    HTTPRequestRedirectFilter,
    HTTPRouteFilter,
    HTTPURLRewriteFilter,
)
from simulator.config.gateway_api.routes import (
    GRPCBackendRef,
    GRPCHeaderMatch,
    GRPCMethodMatch,
    GRPCRouteMatch,
    GRPCRouteRule,
    HTTPBackendRef,
    HTTPHeaderMatch,
    HTTPPathMatch,
    HTTPQueryParamMatch,
    HTTPRouteMatch,
    HTTPRouteRule,
    MatchType,
)
from simulator.config.gateway_api.values import nanoseconds
from simulator.config.istio import (
    CorsPolicy,
    HeaderOperations,
    Headers,
    HTTPDirectResponse,
    HTTPMatchRequest,
    HTTPMirrorPolicy,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
    Percent,
    RegexRewrite,
    StringMatch,
)
from simulator.config.objects import Object
from simulator.istiod.gateway_api.backends import Resolver, tolerated
from simulator.istiod.gateway_api.status import Fault
from simulator.istiod.part import SECOND_NS

_RETRIED = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_ATTEMPTS = 2
_NO_BACKEND = 500
_FILTERS = frozenset(
    {
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
        "RequestMirror",
        "RequestRedirect",
        "URLRewrite",
        "CORS",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """One rule of a VirtualService, and where it comes from."""

    rule: HTTPRoute
    source: Object
    at: str
    """Such as `spec.rules[0]`."""
    match_at: str
    backends: tuple[str, ...] = ()
    """Where each destination was written."""


def convert(route: Object, resolver: Resolver) -> tuple[list[Converted], Fault | None]:
    """Return a route's rules, and the last fault; with one that is not tolerated, no rules."""
    found: list[Converted] = []
    told: Fault | None = None
    for index, rule in enumerate(route.spec.rules):
        at = f"spec.rules[{index}]"
        name = rule.name or f"{route.namespace}.{route.name}.{index}"
        fields, backends, faults = _fields(rule, resolver, at)
        for fault in faults:
            if not tolerated(fault):
                return [], fault
            told = fault
        for place, match in _matches(rule):
            converted = HTTPRoute.model_construct(name=name, match=match, **fields)
            found.append(
                Converted(
                    rule=converted,
                    source=route,
                    at=at,
                    match_at=f"{at}{place}",
                    backends=backends,
                )
            )
    return found, told


def _fields(
    rule: HTTPRouteRule | GRPCRouteRule, resolver: Resolver, at: str
) -> tuple[dict[str, Any], tuple[str, ...], list[Fault]]:
    fields: dict[str, Any] = {}
    faults = _filters(fields, rule.filters, resolver, f"{at}.filters")
    if isinstance(rule, HTTPRouteRule):
        _retries(fields, rule)
    if not any(each.weight for each in rule.backend_refs) and "redirect" not in fields:
        fields["direct_response"] = HTTPDirectResponse.model_construct(status=_NO_BACKEND)
        return fields, (), faults
    destinations = []
    places = []
    for index, ref, target, weight, fault in resolver.weighted(rule.backend_refs, at):
        place = f"{at}.backendRefs[{index}]"
        if fault is not None:
            faults.append(fault)
        if target is None:
            continue
        inner: dict[str, Any] = {}
        assert isinstance(ref, (HTTPBackendRef, GRPCBackendRef))
        faults += _filters(
            inner, ref.filters, resolver, f"{place}.filters", allowed=_HEADER_FILTERS
        )
        places.append(place)
        destinations.append(
            HTTPRouteDestination.model_construct(
                destination=target, weight=weight, headers=inner.get("headers")
            )
        )
    fields["route"] = tuple(destinations)
    return fields, tuple(places), faults


_HEADER_FILTERS = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier"})


def _filters(
    fields: dict[str, Any],
    found: Sequence[HTTPRouteFilter | GRPCRouteFilter],
    resolver: Resolver,
    at: str,
    *,
    allowed: frozenset[str] = _FILTERS,
) -> list[Fault]:
    """Add what filters ask for to a rule's fields; return what is wrong with them."""
    faults: list[Fault] = []
    mirrors: list[HTTPMirrorPolicy] = []
    headers: dict[str, Any] = {}
    for index, each in enumerate(found):
        place = f"{at}[{index}]"
        if each.type not in allowed:
            message = f"Istio has no filter of the type {each.type} here"
            faults.append(Fault("InvalidFilter", message, place))
        elif each.request_header_modifier is not None:
            headers["request"] = _operations(each.request_header_modifier)
        elif each.response_header_modifier is not None:
            headers["response"] = _operations(each.response_header_modifier)
        elif each.request_mirror is not None:
            target, fault = resolver.destination(
                each.request_mirror.backend_ref, f"{place}.requestMirror.backendRef"
            )
            if fault is not None:
                faults.append(fault)
            else:
                mirrors.append(
                    HTTPMirrorPolicy.model_construct(
                        destination=target, percentage=_share(each.request_mirror)
                    )
                )
        elif isinstance(each, HTTPRouteFilter):
            _http_filter(fields, each)
    if headers:
        fields["headers"] = Headers.model_construct(**headers)
    if mirrors:
        fields["mirrors"] = tuple(mirrors)
    return faults


def _http_filter(fields: dict[str, Any], each: HTTPRouteFilter) -> None:
    if each.request_redirect is not None:
        fields["redirect"] = _redirect(each.request_redirect)
    elif each.url_rewrite is not None:
        fields["rewrite"] = _rewrite(each.url_rewrite)
    elif each.cors is not None:
        fields["cors_policy"] = _cors(each.cors)


def _operations(filter_: HTTPHeaderFilter) -> HeaderOperations:
    return HeaderOperations.model_construct(
        set=_named(filter_.set), add=_named(filter_.add), remove=filter_.remove
    )


def _named(headers: Sequence[HTTPHeader]) -> dict[str, str]:
    """Return headers by name, which is taken in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for each in headers:
        found.setdefault(each.name.lower(), each.value)
    return found


def _share(mirror: HTTPRequestMirrorFilter) -> Percent | None:
    if mirror.fraction is not None:
        value = 100 * mirror.fraction.numerator / mirror.fraction.denominator
        return Percent.model_construct(value=value)
    return None if mirror.percent is None else Percent.model_construct(value=float(mirror.percent))


def _redirect(redirect: HTTPRequestRedirectFilter) -> HTTPRedirect:
    fields: dict[str, Any] = {"redirect_code": redirect.status_code}
    if redirect.hostname is not None:
        fields["authority"] = redirect.hostname
    if redirect.scheme is not None:
        fields["scheme"] = redirect.scheme
    if redirect.port is not None:
        fields["port"] = redirect.port
    else:
        scheme = redirect.scheme is not None
        fields["derive_port"] = "FROM_PROTOCOL_DEFAULT" if scheme else "FROM_REQUEST_PORT"
    path = redirect.path
    if path is not None and path.replace_full_path is not None:
        fields["uri"] = path.replace_full_path
    elif path is not None:
        fields["prefix_rewrite"] = _prefix(path)
    return HTTPRedirect.model_construct(**fields)


def _prefix(path: HTTPPathModifier) -> str:
    """Return what stands for the matched prefix; a slash for nothing."""
    return (path.replace_prefix_match or "").removesuffix("/") or "/"


def _rewrite(rewrite: HTTPURLRewriteFilter) -> HTTPRewrite | None:
    fields: dict[str, Any] = {}
    path = rewrite.path
    if path is not None and path.replace_full_path is not None:
        fields["uri_regex_rewrite"] = RegexRewrite.model_construct(
            match="/.*", rewrite=path.replace_full_path
        )
    elif path is not None:
        fields["uri"] = _prefix(path)
    if rewrite.hostname is not None:
        fields["authority"] = rewrite.hostname
    return HTTPRewrite.model_construct(**fields) if fields else None


def _cors(cors: HTTPCORSFilter) -> CorsPolicy:
    return CorsPolicy.model_construct(
        allow_origins=tuple(_origin(each) for each in cors.allow_origins),
        allow_credentials=True if cors.allow_credentials else None,
        allow_methods=cors.allow_methods,
        allow_headers=cors.allow_headers,
        expose_headers=cors.expose_headers,
        max_age_ns=cors.max_age * SECOND_NS,
        unmatched_preflights="IGNORE",
    )


def _origin(origin: str) -> StringMatch:
    if "*" not in origin:
        return StringMatch.model_construct(exact=origin)
    if origin == "*":
        return StringMatch.model_construct(regex=".*")
    scheme, _, host = origin.partition("://")
    escaped = host.replace(".", r"\.").replace("*", ".*")
    return StringMatch.model_construct(regex=f"{scheme}://{escaped}")


def _retries(fields: dict[str, Any], rule: HTTPRouteRule) -> None:
    timeouts = rule.timeouts
    whole = nanoseconds(timeouts.request) if timeouts is not None else None
    each_try = nanoseconds(timeouts.backend_request) if timeouts is not None else None
    if whole:
        fields["timeout_ns"] = whole
    retry = rule.retry
    if retry is None:
        if each_try:
            fields["timeout_ns"] = each_try
        return
    attempts = _ATTEMPTS if retry.attempts is None else retry.attempts
    conditions = (*_RETRIED, *(str(each) for each in retry.codes))
    fields["retries"] = HTTPRetry.model_construct(
        attempts=attempts,
        retry_on=",".join(conditions) if attempts else "",
        backoff_ns=nanoseconds(retry.backoff),
        per_try_timeout_ns=each_try or None,
    )


def _matches(
    rule: HTTPRouteRule | GRPCRouteRule,
) -> Iterator[tuple[str, tuple[HTTPMatchRequest, ...]]]:
    """Yield each match of a rule by itself, with its place; nothing for all requests."""
    if not rule.matches:
        yield "", ()
    matches: Iterable[HTTPRouteMatch | GRPCRouteMatch] = rule.matches
    for index, each in enumerate(matches):
        match = _grpc_match(each) if isinstance(each, GRPCRouteMatch) else _http_match(each)
        yield f".matches[{index}]", (match,)


def _http_match(match: HTTPRouteMatch) -> HTTPMatchRequest:
    fields: dict[str, Any] = {"uri": _path(match.path)}
    if match.method is not None:
        fields["method"] = StringMatch.model_construct(exact=match.method)
    return HTTPMatchRequest.model_construct(
        headers=_conditions(match.headers), query_params=_conditions(match.query_params), **fields
    )


def _conditions(
    found: Sequence[HTTPHeaderMatch | HTTPQueryParamMatch | GRPCHeaderMatch],
) -> dict[str, StringMatch]:
    return {each.name: _value(each.type, each.value) for each in found}


def _value(kind: MatchType, value: str) -> StringMatch:
    if kind == "Exact":
        return StringMatch.model_construct(exact=value)
    return StringMatch.model_construct(regex=value)


def _path(path: HTTPPathMatch) -> StringMatch:
    if path.type == "Exact":
        return StringMatch.model_construct(exact=path.value)
    if path.type == "RegularExpression":
        return StringMatch.model_construct(regex=path.value)
    return StringMatch.model_construct(prefix=path.value.removesuffix("/") or "/")


def _grpc_match(match: GRPCRouteMatch) -> HTTPMatchRequest:
    fields: dict[str, Any] = {}
    if match.method is not None:
        fields["uri"] = _method(match.method)
    return HTTPMatchRequest.model_construct(headers=_conditions(match.headers), **fields)


def _method(match: GRPCMethodMatch) -> StringMatch:
    """Return the condition on the path /SERVICE/METHOD."""
    service, method = match.service, match.method
    if match.type == "Exact" and service and method:
        return StringMatch.model_construct(exact=f"/{service}/{method}")
    if match.type == "Exact" and service:
        return StringMatch.model_construct(prefix=f"/{service}/")
    return StringMatch.model_construct(regex=f"/{service or '[^/]+'}/{method or '.+'}")


def precedence(converted: Converted) -> tuple[int, ...]:
    """Sort key: exact paths first, then the longest, then those with the most conditions."""
    if not converted.rule.match:
        return (1,)
    match = converted.rule.match[0]
    kinds: Mapping[str, str | None] = {}
    if match.uri is not None:
        kinds = {"exact": match.uri.exact, "prefix": match.uri.prefix, "regex": match.uri.regex}
    rank, length = -1, 0
    for place, text in zip((3, 2, 1), kinds.values(), strict=False):
        if text is not None:
            rank, length = place, len(text)
    method = match.method is not None
    return (0, -rank, -length, -method, -len(match.headers), -len(match.query_params))
