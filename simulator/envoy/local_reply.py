"""Answers that a proxy makes itself.

Follows   envoy/source/common/http/utility.cc (prepareLocalReply), grpc/status.cc
Leaves    local_reply_config (docs/fidelity.md#local-reply)
"""

from __future__ import annotations

from simulator.envoy.commands import Response
from simulator.envoy.header_map import Headers
from simulator.envoy.request import Request

_GRPC_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_GRPC_UNKNOWN = 2


def is_grpc(request: Request) -> bool:
    """Say whether a request is gRPC, by its content type."""
    kind = request.first("content-type") or ""
    return kind == "application/grpc" or kind.startswith("application/grpc+")


def reply(
    request: Request,
    status: int,
    body: str,
    headers: Headers = (),
    grpc_status: int | None = None,
) -> Response:
    """Return the answer; a gRPC client gets its status in `grpc-status`, with HTTP 200."""
    if is_grpc(request):
        if grpc_status is None:
            grpc_status = _GRPC_OF_HTTP.get(status, _GRPC_UNKNOWN)
        lines: Headers = (
            ("content-type", "application/grpc"),
            ("grpc-status", str(grpc_status)),
        )
        if body:
            lines = (*lines, ("grpc-message", body))
        return Response(status=200, headers=(*lines, *headers))
    if not body:
        return Response(status=status, headers=headers)
    lines = (("content-length", str(len(body.encode()))), ("content-type", "text/plain"))
    sent = "" if request.method == "HEAD" else body
    return Response(status=status, headers=(*lines, *headers), body=sent)
