"""Rules for HTTP requests.

Follows   istio pkg/config/validation/virtualservice.go, validation.go (validateHTTPRetry,
          validateHTTPRedirect, validateHTTPRewrite, validateCORSPolicy, …)
"""

from __future__ import annotations

from http import HTTPStatus

from simulator.config.istio import (
    CorsPolicy,
    Headers,
    HTTPDirectResponse,
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
    Percent,
    StringMatch,
)
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, each, fault
from simulator.istiod.validation.route import destination, destinations, gateways

_RETRY_ON = frozenset(
    [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    ]
)
_METHODS = frozenset(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"]
)
_GRPC = frozenset(
    [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ]
)
_STATUSES = frozenset(str(status.value) for status in HTTPStatus)
_LOWEST_STATUS, _HIGHEST_STATUS = 200, 600
_SMALLEST_PERCENT = 0.0001
_LARGE_BODY, _LARGEST_BODY = 100 * 1024, 1024 * 1024
_REDIRECTS = range(300, 400)


def http_route(rule: HTTPRoute, at: str, *, delegate: bool) -> Faults:
    """Check a rule; `delegate` if it stands in a VirtualService without hosts."""
    yield from _action(rule, at, delegate=delegate)
    for index, match in enumerate(rule.match):
        yield from _match(match, f"{at}.match[{index}]")
    yield from _headers(rule.headers, f"{at}.headers")
    yield from _authority(rule, at)
    yield from cors_policy(rule.cors_policy, f"{at}.corsPolicy")
    yield from fault_injection(rule.fault, f"{at}.fault")
    yield from _mirrors(rule, at)
    yield from redirect(rule.redirect, f"{at}.redirect")
    by_prefix = rule.match and all(one.uri and one.uri.prefix for one in rule.match)
    if rule.redirect is not None and rule.redirect.prefix_rewrite and not by_prefix:
        place = f"{at}.redirect.prefixRewrite"
        yield Fault(place, "it needs a match on the path's prefix in every `match`")
    yield from direct_response(rule.direct_response, f"{at}.directResponse")
    yield from retry(rule.retries, f"{at}.retries")
    yield from rewrite(rule.rewrite, f"{at}.rewrite")
    for index, one in enumerate(rule.route):
        yield from _headers(one.headers, f"{at}.route[{index}].headers")
    yield from destinations(rule.route, f"{at}.route")
    yield from fault(f"{at}.timeout", syntax.duration(rule.timeout_ns))


def _action(rule: HTTPRoute, at: str, *, delegate: bool) -> Faults:
    if rule.delegate is not None:
        if delegate:
            yield Fault(f"{at}.delegate", "a delegate cannot delegate further")
        else:
            for name, action in (("redirect", rule.redirect), ("route", rule.route)):
                if action:
                    yield Fault(f"{at}.{name}", "it does not go with `delegate`")
            return
    if rule.mirror is not None and rule.mirrors:
        yield Fault(f"{at}.mirrors", "it does not go with `mirror`")
    answers = {"redirect": rule.redirect, "directResponse": rule.direct_response}
    written = [name for name, answer in answers.items() if answer is not None]
    if len(written) > 1:
        yield Fault(f"{at}.directResponse", "it does not go with `redirect`")
    if written:
        for name, other in (
            ("route", rule.route),
            ("fault", rule.fault),
            ("rewrite", rule.rewrite),
        ):
            if other:
                yield Fault(f"{at}.{name}", f"it does not go with `{written[0]}`")
    elif not rule.route:
        yield Fault(at, "a rule needs a `route`, a `redirect` or a `directResponse`")


def _match(match: HTTPMatchRequest, at: str) -> Faults:
    for name, value in match.headers.items():
        yield from fault(f"{at}.headers.{name}", syntax.header(name))
        yield from _text(value, f"{at}.headers.{name}")
    for name, value in match.without_headers.items():
        yield from fault(f"{at}.withoutHeaders.{name}", syntax.header(name))
        if value.regex != "*":  # here it means presence
            yield from _text(value, f"{at}.withoutHeaders.{name}")
    # An empty prefix of a path matches all of them; that of anything else is refused by Envoy.
    if match.uri is not None and match.uri.regex is not None:
        yield from fault(f"{at}.uri.regex", syntax.regex(match.uri.regex))
    for name in ("scheme", "method", "authority"):
        yield from _text(getattr(match, name), f"{at}.{name}")
    for name, value in match.query_params.items():
        yield from _text(value, f"{at}.queryParams.{name}")
    if match.port:
        yield from fault(f"{at}.port", syntax.port(match.port))
    yield from fault(f"{at}.sourceLabels", syntax.labels(match.source_labels))
    yield from gateways(match.gateways, f"{at}.gateways")
    if match.source_namespace and not syntax.is_label(match.source_namespace):
        yield Fault(f"{at}.sourceNamespace", f"'{match.source_namespace}' is no namespace")


def _text(match: StringMatch | None, at: str) -> Faults:
    if match is None:
        return
    if match.prefix == "":
        yield Fault(f"{at}.prefix", "a prefix may not be empty")
    if match.regex is not None:
        yield from fault(f"{at}.regex", syntax.regex(match.regex))


def _headers(headers: Headers | None, at: str) -> Faults:
    if headers is None:
        return
    for direction, operations in (("request", headers.request), ("response", headers.response)):
        if operations is None:
            continue
        for kind in ("add", "set"):
            place = f"{at}.{direction}.{kind}"
            for name, value in getattr(operations, kind).items():
                named = syntax.changed_header(name, authority=direction == "request")
                yield from fault(f"{place}.{name}" if name else place, named)
                yield from fault(f"{place}.{name}" if name else place, syntax.header_value(value))
        for index, name in enumerate(operations.remove):
            named = syntax.changed_header(name, authority=False)
            yield from fault(f"{at}.{direction}.remove[{index}]", named)


def _authority(rule: HTTPRoute, at: str) -> Faults:
    written = 1 if rule.rewrite is not None and rule.rewrite.authority else 0
    if rule.headers is not None and rule.headers.request is not None:
        request = rule.headers.request
        written += sum(map(syntax.is_authority, [*request.set, *request.add]))
    if written > 1:
        yield Fault(at, "the request's host is set in several places")


def cors_policy(policy: CorsPolicy | None, at: str) -> Faults:
    """Check which pages of other origins may call."""
    if policy is None:
        return
    for index, origin in enumerate(policy.allow_origins):
        place = f"{at}.allowOrigins[{index}]"
        if not (origin.exact or origin.prefix or origin.regex):
            yield Fault(place, "an origin needs `exact`, `prefix` or `regex`")
        elif origin.regex:
            yield from fault(f"{place}.regex", syntax.regex(origin.regex))
    for index, method in enumerate(policy.allow_methods):
        if method not in _METHODS:
            yield Fault(f"{at}.allowMethods[{index}]", f"'{method}' is no HTTP method")
    yield from each(f"{at}.allowHeaders", policy.allow_headers, syntax.cors_header)
    yield from each(f"{at}.exposeHeaders", policy.expose_headers, syntax.cors_header)
    age_ns = policy.max_age_ns
    if age_ns is not None and age_ns % 1_000_000_000:
        yield Fault(f"{at}.maxAge", "it is a whole number of seconds")


def fault_injection(injected: HTTPFaultInjection | None, at: str) -> Faults:
    """Check the faults that a proxy makes."""
    if injected is None:
        return
    if injected.abort is None and injected.delay is None:
        yield Fault(at, "it needs an `abort` or a `delay`")
    abort, delay = injected.abort, injected.delay
    if abort is not None:
        yield from _share(abort.percentage, f"{at}.abort.percentage.value")
        if abort.http_status is not None:
            yield from fault(f"{at}.abort.httpStatus", status(abort.http_status))
        elif abort.grpc_status is not None:
            if abort.grpc_status not in _GRPC:
                problem = f"'{abort.grpc_status}' is no gRPC status such as UNAVAILABLE"
                yield Fault(f"{at}.abort.grpcStatus", problem)
        elif abort.http2_error is not None:
            yield Fault(f"{at}.abort.http2Error", "Istio does not support it")
        else:
            yield Fault(f"{at}.abort", "it needs an httpStatus or grpcStatus", warning=True)
    if delay is not None:
        yield from _share(delay.percentage, f"{at}.delay.percentage.value")
        yield from fault(f"{at}.delay.fixedDelay", syntax.duration(delay.fixed_delay_ns))
        if delay.exponential_delay_ns is not None:
            yield Fault(f"{at}.delay.exponentialDelay", "Istio does not support it")


def _share(percentage: Percent | None, at: str) -> Faults:
    if percentage is None:
        return
    yield from fault(at, syntax.percent(percentage.value))
    if 0 < percentage.value < _SMALLEST_PERCENT:
        yield Fault(at, f"it is 0, or {_SMALLEST_PERCENT} or more")


def status(code: int) -> str | None:
    """Check the status of an answer that a proxy gives."""
    if _LOWEST_STATUS <= code <= _HIGHEST_STATUS:
        return None
    return f"{code} is no HTTP status between 200 and 599"


def _mirrors(rule: HTTPRoute, at: str) -> Faults:
    if rule.mirror_percent is not None:
        place = f"{at}.mirrorPercent"
        yield from fault(place, syntax.percent(rule.mirror_percent))
        yield Fault(place, "it is deprecated; use mirrorPercentage", warning=True)
    if rule.mirror_percentage is not None:
        percentage = syntax.percent(rule.mirror_percentage.value)
        yield from fault(f"{at}.mirrorPercentage.value", percentage)
    if rule.mirror is not None:
        yield from destination(rule.mirror, f"{at}.mirror")
    for index, mirror in enumerate(rule.mirrors or ()):
        place = f"{at}.mirrors[{index}]"
        yield from destination(mirror.destination, f"{place}.destination")
        if mirror.percentage is not None:
            yield from fault(f"{place}.percentage.value", syntax.percent(mirror.percentage.value))


def redirect(sent: HTTPRedirect | None, at: str) -> Faults:
    """Check an answer that sends the client elsewhere."""
    if sent is None:
        return
    ported = sent.port is not None or sent.derive_port is not None
    if not (sent.uri or sent.authority or sent.scheme or sent.prefix_rewrite or ported):
        yield Fault(at, "it needs a `uri`, `prefixRewrite`, `authority`, `scheme` or `port`")
    if sent.uri and sent.prefix_rewrite:
        yield Fault(f"{at}.prefixRewrite", "it does not go with `uri`")
    if sent.redirect_code and sent.redirect_code not in _REDIRECTS:
        yield Fault(f"{at}.redirectCode", f"{sent.redirect_code} is no code of 300 to 399")
    if sent.scheme not in {"", "http", "https"}:
        yield Fault(f"{at}.scheme", "it is http or https")
    if sent.port:
        yield from fault(f"{at}.port", syntax.port(sent.port))


def direct_response(answer: HTTPDirectResponse | None, at: str) -> Faults:
    """Check an answer that the proxy gives itself."""
    if answer is None:
        return
    body = answer.body
    size = len((body.string or body.bytes or "").encode()) if body is not None else 0
    if size > _LARGE_BODY:
        large = size > _LARGEST_BODY
        problem = "a body of more than 1 MB is refused" if large else "a large body is a burden"
        yield Fault(f"{at}.body", problem, warning=not large)
    yield from fault(f"{at}.status", status(answer.status))


def retry(retries: HTTPRetry | None, at: str) -> Faults:
    """Check how failed requests are tried again."""
    if retries is None:
        return
    if retries.attempts < 0:
        yield Fault(f"{at}.attempts", "it is not negative")
    configured = (
        retries.per_try_timeout_ns is not None
        or retries.retry_on
        or retries.retry_remote_localities is not None
        or retries.backoff_ns is not None
    )
    if not retries.attempts and configured:
        yield Fault(f"{at}.attempts", "0 switches retries off, yet more is said about them")
    yield from fault(f"{at}.perTryTimeout", syntax.duration(retries.per_try_timeout_ns))
    yield from fault(f"{at}.backoff", syntax.duration(retries.backoff_ns))
    for condition in retries.retry_on.split(",") if retries.retry_on else ():
        if condition not in _RETRY_ON and condition not in _STATUSES:
            yield Fault(f"{at}.retryOn", f"'{condition}' is no condition that Envoy knows")


def rewrite(changed: HTTPRewrite | None, at: str) -> Faults:
    """Check what is rewritten before a request is sent on."""
    if changed is None:
        return
    pattern = changed.uri_regex_rewrite
    if changed.uri and pattern is not None:
        yield Fault(f"{at}.uriRegexRewrite", "it does not go with `uri`")
    if not changed.uri and pattern is None and not changed.authority:
        yield Fault(at, "it needs a `uri`, a `uriRegexRewrite` or an `authority`")
    if pattern is not None:
        if not pattern.match or not pattern.rewrite:
            yield Fault(f"{at}.uriRegexRewrite", "it needs both `match` and `rewrite`")
        else:
            yield from fault(f"{at}.uriRegexRewrite.match", syntax.regex(pattern.match))
