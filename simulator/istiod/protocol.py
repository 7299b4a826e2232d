"""Decide which protocol a port speaks, from its appProtocol or its name.

Follows   istio pkg/config/kube/conversion.go (ConvertProtocol), pkg/config/protocol/instance.go
"""

from __future__ import annotations

from enum import StrEnum

_SERVER_FIRST = frozenset({25, 53, 3306, 27017})
"""SMTP, DNS, MySQL and MongoDB: the server speaks first, so there is nothing to detect."""


class Protocol(StrEnum):
    """A port's protocol; `AUTO` is detected from the first bytes."""

    HTTP = "HTTP"
    HTTP_PROXY = "HTTP_PROXY"
    HTTP2 = "HTTP2"
    HTTPS = "HTTPS"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    TCP = "TCP"
    TLS = "TLS"
    UDP = "UDP"
    MONGO = "Mongo"
    REDIS = "Redis"
    MYSQL = "MySQL"
    HBONE = "HBONE"
    AUTO = "UnsupportedProtocol"

    @property
    def http(self) -> bool:
        """Routed by HTTP request."""
        return self in _HTTP

    @property
    def http2(self) -> bool:
        """Spoken as HTTP/2 to the workload."""
        return self in {Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB}

    @property
    def inside_tls(self) -> Protocol:
        """What is left where TLS has ended."""
        return {Protocol.HTTPS: Protocol.HTTP, Protocol.TLS: Protocol.TCP}.get(self, self)

    @property
    def sniffed(self) -> bool:
        """Detected from the first bytes."""
        return self is Protocol.AUTO

    @property
    def http_or_sniffed(self) -> bool:
        """Perhaps routed by HTTP request."""
        return self.http or self.sniffed

    @property
    def tcp(self) -> bool:
        """Carried as bytes, whatever is inside."""
        return not (self.http_or_sniffed or self is Protocol.UDP)


_HTTP = frozenset(
    {Protocol.HTTP, Protocol.HTTP2, Protocol.HTTP_PROXY, Protocol.GRPC, Protocol.GRPC_WEB}
)
_NAMES = {
    **{each.value.lower(): each for each in Protocol if each is not Protocol.AUTO},
    "grpc-web-text": Protocol.GRPC_WEB,
    "grpc_web": Protocol.GRPC_WEB,
    "http_proxy": Protocol.HTTP_PROXY,
}
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}


def parse(text: str) -> Protocol:
    """Return the protocol of that name, whatever its case; `AUTO` for an unknown one."""
    return _NAMES.get(text.lower(), Protocol.AUTO)


def of_port(
    number: int, name: str = "", app_protocol: str | None = None, transport: str = "TCP"
) -> Protocol:
    """Return the protocol of a Kubernetes Service's port."""
    if transport.upper() == "UDP":
        return Protocol.UDP
    if app_protocol:
        lowered = app_protocol.lower()
        return _APP_PROTOCOLS.get(lowered) or _known(lowered, number)
    return _known(name, number)


def _known(name: str, number: int) -> Protocol:
    lowered = name.lower()
    if lowered.startswith("grpc-web"):
        return Protocol.GRPC_WEB
    found = parse(lowered.partition("-")[0])
    if found is Protocol.AUTO and number in _SERVER_FIRST:
        return Protocol.TCP
    return found
