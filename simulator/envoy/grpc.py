"""What tells gRPC from other HTTP, and its status codes.

Follows   envoy/source/common/grpc/{common,status}.cc, source/common/http/utility.cc
"""

from __future__ import annotations

from simulator.envoy.request import Request

UNKNOWN = 2
_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
CAMEL = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound",
    "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted",
    "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip
"""The codes' names, by number."""
SNAKE = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


def is_grpc(request: Request) -> bool:
    """Say whether the content type is `application/grpc` or `application/grpc+…`."""
    given = request.first("content-type") or ""
    return given == "application/grpc" or given.startswith("application/grpc+")


def of_http(status: int) -> int:
    """Return the code that stands for an HTTP status."""
    return _OF_HTTP.get(status, UNKNOWN)


def status_of(headers: tuple[tuple[str, str], ...], status: int | None) -> int | None:
    """Return a response's code: what it says, or what its HTTP status stands for."""
    for name, value in headers:
        if name == "grpc-status":
            return int(value) if value.isdigit() else -1
    return of_http(status) if status else None
