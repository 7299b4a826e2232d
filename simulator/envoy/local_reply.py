"""Answers that a proxy makes itself.

Follows   envoy/source/common/http/utility.cc (prepareLocalReply), grpc/status.cc,
          router/router.cc (onUpstreamReset)
Leaves    local_reply_config (docs/fidelity.md#local-reply)
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.commands import Reset, Response
from simulator.envoy.grpc import is_grpc, of_http
from simulator.envoy.header_map import Headers
from simulator.envoy.request import Request


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
            grpc_status = of_http(status)
        lines: Headers = (
            ("content-type", "application/grpc"),
            ("grpc-status", str(grpc_status)),
        )
        if body and request.method != "HEAD":
            lines = (*lines, ("grpc-message", body))
        return Response(status=200, headers=(*lines, *headers))
    if not body:
        return Response(status=status, headers=headers)
    lines = (("content-length", str(len(body.encode()))), ("content-type", "text/plain"))
    sent = "" if request.method == "HEAD" else body
    return Response(status=status, headers=(*lines, *headers), body=sent)


_FLAGS = {
    Reset.LOCAL_CONNECTION_FAILURE: "UF",
    Reset.REMOTE_CONNECTION_FAILURE: "UF",
    Reset.CONNECTION_TIMEOUT: "UF",
    Reset.CONNECTION_TERMINATION: "UC",
    Reset.LOCAL_RESET: "LR",
    Reset.LOCAL_REFUSED_STREAM: "LR",
    Reset.OVERFLOW: "UO",
    Reset.REMOTE_RESET: "UR",
    Reset.REMOTE_REFUSED_STREAM: "UR",
    Reset.CONNECT_ERROR: "UR",
    Reset.PROTOCOL_ERROR: "UPE",
    Reset.OVERLOAD_MANAGER: "OM",
}

_TRANSPORT_FAILURES = {Reset.REMOTE_CONNECTION_FAILURE: "delayed connect error: Connection refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a client and the access log are told of a failed request."""

    status: int
    body: str
    flag: str
    details: str


def usual_failure(reason: Reset) -> str:
    """Return what a transport says of a reset where it is not said; empty: nothing."""
    return _TRANSPORT_FAILURES.get(reason, "")


def told_of_reset(reason: Reset, transport_failure: str, *, retried: bool) -> Told:
    """Return what is told of a reset; `retried` says whether it was not the first attempt's."""
    again = "retried and the latest " if retried else ""
    # What the transport had to say is told here alone, since 1.39 no more in the body.
    failure = transport_failure or usual_failure(reason)
    inside = f"{reason.value}|{failure}" if failure else reason.value
    return Told(
        status=502 if reason is Reset.PROTOCOL_ERROR else 503,
        body="upstream connect error or disconnect/reset before headers. "
        f"{again}reset reason: {reason.value}",
        flag=_FLAGS[reason],
        details=f"upstream_reset_before_response_started{{{inside}}}".replace(" ", "_"),
    )
