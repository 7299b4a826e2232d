"""What an attempt changes in the request that it sends.

Follows   envoy/source/common/router/upstream_request.cc (onPoolReady)
"""

from __future__ import annotations

from simulator.envoy.cluster import Endpoint
from simulator.envoy.header_map import Headers, replaced, with_headers
from simulator.envoy.headers import with_authority
from simulator.envoy.request import Request
from simulator.envoy.route import RouteMatch
from simulator.envoy.timeout import Timeouts, announce


def with_pseudo_headers(request: Request) -> Headers:
    """Return a request's headers as HTTP/2 and Envoy have them: its line comes first."""
    pseudo = (
        (":authority", request.authority),
        (":method", request.method),
        (":path", request.path),
        (":scheme", request.scheme),
    )
    return (*pseudo, *request.headers)


def counted(request: Request, attempt: int) -> Request:
    """Return the request with the attempt's number, from 1."""
    return with_headers(request, replaced(request.headers, "x-envoy-attempt-count", str(attempt)))


def repeated(
    request: Request, match: RouteMatch, attempt: int, elapsed_ms: int, timeouts: Timeouts | None
) -> Request:
    """Return the request for another attempt; `timeouts` are told upstream if given."""
    if match.virtual_host.include_request_attempt_count:
        request = counted(request, attempt)
    return request if timeouts is None else announce(timeouts, request, elapsed_ms)


def addressed(
    request: Request, endpoint: Endpoint, match: RouteMatch, *, keep_original: bool
) -> Request:
    """Return the request with its endpoint's host name, for `auto_host_rewrite`."""
    if not endpoint.hostname:
        return request
    append = match.route.host_rewrite.append_x_forwarded_host
    return with_authority(request, endpoint.hostname, append=append, keep=keep_original)
