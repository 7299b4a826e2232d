"""What a route is chosen by: the request, and what the proxy knows of its stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.envoy.connection import Connection

_ALPN = "envoy.network.application_protocols"


class Hashable(str):
    """A text in the filter state that a hash policy can use; a plain one it cannot."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request's head; header names are lower-case and may come several times."""

    method: str
    authority: str
    path: str
    """With its query string; empty for a CONNECT request without one."""
    headers: tuple[tuple[str, str], ...] = ()
    scheme: str = "http"
    body: str = ""

    def values(self, name: str) -> list[str]:
        """Return every value of a header, in order; pseudo-headers by their `:name`."""
        if name.startswith(":"):
            value = self.pseudo(name)
            return [] if value is None else [value]
        return [value for key, value in self.headers if key == name]

    def first(self, name: str) -> str | None:
        """Return a header's first value."""
        if name.startswith(":"):
            return self.pseudo(name)
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def pseudo(self, name: str) -> str | None:
        """Return the pseudo-header `name`, absent when empty."""
        match name:
            case ":path":
                return self.path or None
            case ":authority":
                return self.authority or None
            case ":method":
                return self.method or None
            case ":scheme":
                return self.scheme or None
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """What a proxy knows of a stream beyond the request's head."""

    tls_presented: bool = False
    """Whether the client showed a certificate."""
    tls_validated: bool = False
    """Whether that certificate was verified."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Dynamic metadata by filter name, as JSON values."""
    filter_state: Mapping[str, str] = field(default_factory=dict)
    """Filter state objects by key, as their strings."""
    runtime: Mapping[str, int] = field(default_factory=dict)
    """Runtime keys that override a configuration's defaults."""
    start_ns: int = 0
    """When the stream began, since 1970."""
    source_address: str = ""
    """The client's address: its own, or what trusted headers say it is."""
    health_check: bool = False
    """Whether a filter has taken the request for a health check."""
    trace_forced: bool = False
    """Whether a service wants the request traced."""
    connection: Connection | None = None
    """The connection that the request came on; None where it does not matter."""

    @property
    def alpn(self) -> tuple[str, ...]:
        """Return what the TLS handshake with an endpoint offers, if a filter has said so."""
        return tuple(filter(None, self.filter_state.get(_ALPN, "").split(",")))


PLAIN = StreamInfo()
BYTES = Request(method="", authority="", path="", scheme="")
"""To a TCP proxy a request is bytes: there is nothing to read in it."""
