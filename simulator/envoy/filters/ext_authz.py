"""Ask a service whether a request may pass.

The service is asked by HTTP; one that speaks gRPC is asked with the same headers, and its
HTTP status stands for what it says: 200 lets the request pass, others refuse it.

Models    envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
Follows   envoy/source/extensions/filters/http/ext_authz/ext_authz.cc,
          source/extensions/filters/common/ext_authz/ext_authz_http_impl.cc
Leaves    what a gRPC service says besides (docs/fidelity.md#ext-authz)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from simulator.envoy.commands import Response
from simulator.envoy.filters.ext_authz_config import (
    GRPC_PATH,
    Body,
    ExtAuthzConfig,
    ExtAuthzPerRoute,
    Names,
    Service,
)
from simulator.envoy.filters.passing import Answer, Ask, Passing, Verdict
from simulator.envoy.header_map import Headers, replaced, with_headers
from simulator.envoy.match import Subject
from simulator.envoy.request import Request
from simulator.observe.explain import Outcome

_ALWAYS_SENT = frozenset({"authorization"})
_ALWAYS_TOLD = frozenset({"www-authenticate", "location"})
_NEVER_KEPT = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(slots=True)
class _Asked:
    """What the filter remembers of a request: its question, then headers for the client."""

    client_headers: Headers = ()


def decode(config: ExtAuthzConfig, passing: Passing) -> Verdict | None:
    """Ask, then do as was answered."""
    service = config.service
    if service is None:
        return None
    asked = passing.memory.get(passing.at)
    if asked is None:
        if not _concerned(config, passing):
            return None
        body, size = _body(config, passing), len(passing.request.body.encode())
        if body is not None and not body.partial and size > body.max_bytes:
            reason = f"{size} bytes are more than the {body.max_bytes} that are held"
            passing.note("ext_authz", "too large", reason, config.field, outcome=Outcome.REJECTED)
            return Answer(status=413, body="Payload Too Large", details="request_payload_too_large")
        passing.memory[passing.at] = _Asked()
        request = _question(config, service, passing.request)
        if body is not None and size:
            request = _with_body(request, passing.request.body, body.max_bytes)
        return Ask(cluster=service.cluster, request=request, timeout_ns=service.timeout_ns)
    response = passing.answer
    if response is None or response.status >= 500:
        return _failed(config, passing)
    if response.status == 200:
        _allow(config, service, passing, response, asked)
        return None
    reason = f"{service.cluster} answers {response.status}"
    passing.note("ext_authz", "denied", reason, config.field, outcome=Outcome.REJECTED)
    names = service.client_headers
    headers = tuple(
        (name, value)
        for name, value in response.headers
        if name not in _NEVER_KEPT and (names is None or name in _ALWAYS_TOLD or names.hold(name))
    )
    return Answer(
        status=response.status,
        body=response.body,
        details="ext_authz_denied",
        flag="UAEX",
        headers=headers,
    )


def encode(_: ExtAuthzConfig, passing: Passing, response: Response) -> Response:
    """Add what the service wants the client to be told."""
    asked = passing.memory.get(passing.at)
    if not isinstance(asked, _Asked) or not asked.client_headers:
        return response
    return replace(response, headers=(*response.headers, *asked.client_headers))


def _concerned(config: ExtAuthzConfig, passing: Passing) -> bool:
    """Say whether the service is asked about a request at all."""
    if isinstance(passing.own, ExtAuthzPerRoute) and passing.own.disabled:
        return False
    drawn = passing.draws.next("ext_authz") % config.enabled.denominator
    if drawn >= config.enabled.numerator:
        return False
    wanted = config.enabled_metadata
    return wanted is None or wanted.holds(
        Subject(passing.request, passing.draws.stream, passing.info)
    )


def _body(config: ExtAuthzConfig, passing: Passing) -> Body | None:
    if not isinstance(passing.own, ExtAuthzPerRoute):
        return config.body
    return None if passing.own.without_body else passing.own.body or config.body


def _with_body(request: Request, text: str, most: int) -> Request:
    sent = text.encode()[:most]
    partial = len(text.encode()) > len(sent)
    headers = replaced(request.headers, "x-envoy-auth-partial-body", str(partial).lower())
    return replace(request, headers=headers, body=sent.decode(errors="ignore"))


def _question(config: ExtAuthzConfig, service: Service, request: Request) -> Request:
    allowed = service.allowed_headers or config.allowed_headers
    headers = tuple(
        (name, value)
        for name, value in request.headers
        if (service.grpc and allowed is None)
        or name in _ALWAYS_SENT
        or (allowed is not None and allowed.hold(name))
    )
    if config.disallowed_headers is not None:
        headers = tuple(pair for pair in headers if not config.disallowed_headers.hold(pair[0]))
    for name, value in service.headers_to_add:
        headers = replaced(headers, name, value)
    if not service.grpc:
        headers = replaced(headers, "x-envoy-internal", "true")
    path = service.path_override or f"{service.path_prefix}{request.path}"
    return Request(
        method="POST" if service.grpc else request.method,
        authority=service.cluster if service.grpc else request.authority,
        path=GRPC_PATH if service.grpc else path,
        headers=headers,
        scheme=request.scheme,
    )


def _failed(config: ExtAuthzConfig, passing: Passing) -> Answer | None:
    reason = "the service gave no answer that counts"
    if config.failure_mode_allow:
        passing.note("ext_authz", "failed", f"{reason}: the request passes", config.field)
        if config.failure_mode_allow_header_add:
            name = "x-envoy-auth-failure-mode-allowed"
            headers = (*passing.request.headers, (name, "true"))
            passing.request = with_headers(passing.request, headers)
        return None
    passing.note("ext_authz", "failed", reason, config.field, outcome=Outcome.REJECTED)
    return Answer(status=config.status_on_error, details="ext_authz_error", flag="UAEX")


def _allow(
    config: ExtAuthzConfig, service: Service, passing: Passing, response: Response, asked: _Asked
) -> None:
    passing.note("ext_authz", "allowed", f"{service.cluster} answers 200", config.field)
    headers = passing.request.headers
    for name, value in _among(response, service.upstream_headers):
        headers = replaced(headers, name, value)
    for name, value in _among(response, service.upstream_headers_to_append):
        headers = (*headers, (name, value))
    changed = headers != passing.request.headers
    passing.request = with_headers(passing.request, headers)
    asked.client_headers = _among(response, service.client_headers_on_success)
    if config.clear_route_cache and changed:
        passing.clear_route()


def _among(response: Response, names: Names | None) -> Headers:
    if names is None:
        return ()
    return tuple(pair for pair in response.headers if names.hold(pair[0]))
