"""What a proxy's access log says of a request."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.header_map import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the proxy's access log would say of a stream."""

    route: str | None
    virtual_host: str | None
    cluster: str | None
    endpoint: str | None
    """`ip:port` of the last attempt's endpoint."""
    attempts: int
    flags: tuple[str, ...]
    """In the order in which they were set."""
    details: str
    status: int | None
    """Absent when the client was gone before there was one."""
    request_headers_upstream: Headers | None
    """As last sent, the pseudo-headers first; absent if nothing was sent."""
