"""Answers that a proxy makes itself.

Follows   envoy/source/common/http/utility.cc (prepareLocalReply), grpc/status.cc,
          router/router.cc (onUpstreamReset),
          common/http/utility.cc (PercentEncoding)
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.commands import Reset, Response
from simulator.envoy.grpc import is_grpc, of_http
from simulator.envoy.header_map import Headers, first, without
from simulator.envoy.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a proxy has to say, whatever kind of client it is for."""

    status: int
    body: str = ""
    headers: Headers = ()
    grpc_status: int | None = None
    """For a gRPC client, where it is not the one that follows from `status`."""
    content_type: str = "text/plain"
    """The body's, unless `headers` say another."""

    def response(self, request: Request) -> Response:
        """Return the answer; a gRPC client gets its status in `grpc-status`, with HTTP 200."""
        if is_grpc(request):
            return self._grpc(request)
        if not self.body:
            return Response(status=self.status, headers=without(self.headers, _OF_BODIES))
        headers: Headers = (("content-length", str(len(self.body.encode()))),)
        if first(self.headers, "content-type") is None:
            headers = (*headers, ("content-type", self.content_type))
        headers = (*headers, *without(self.headers, ("content-length",)))
        sent = "" if request.method == "HEAD" else self.body
        return Response(status=self.status, headers=headers, body=sent)

    def _grpc(self, request: Request) -> Response:
        headers: Headers = (("content-type", "application/grpc"),)
        if not first(self.headers, "grpc-status"):
            status = of_http(self.status) if self.grpc_status is None else self.grpc_status
            headers = (*headers, ("grpc-status", str(status)))
        if self.body and request.method != "HEAD":
            text = self.body.removesuffix("\n") if self.content_type == JSON else self.body
            headers = (*headers, ("grpc-message", _percent_encoded(text)))
        headers = (*headers, *without(self.headers, _OF_BODIES))
        return Response(status=200, headers=headers, meant=self.status)


JSON = "application/json"
_OF_BODIES = ("content-length", "content-type")


def _percent_encoded(text: str) -> str:
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7E and byte != 0x25 else f"%{byte:02X}"
        for byte in text.encode()
    )


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
