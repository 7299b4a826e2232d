"""A connection as it reaches a proxy: addresses, what its first bytes say, who the peer is."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.tls import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as it reaches a proxy."""

    address: str
    """Where the client thinks it connects to: the original destination."""
    port: int
    listener_port: int | None = None
    """15001 or 15006 where it was captured and sent to a virtual listener; None: direct."""
    transport: str = "raw_buffer"
    """`tls` where the client opens with a ClientHello."""
    alpn: tuple[str, ...] = ()
    """What the ClientHello offers; without TLS what the client speaks (`http/1.1`, `h2c`),
    empty where that is not HTTP."""
    sni: str = ""
    source_ip: str = ""
    """The client's address; empty where it does not matter."""
    source_port: int = 0
    direct_source_ip: str = ""
    """The peer's own address, where a PROXY header changed `source_ip`."""
    silent: bool = False
    """Whether the client says nothing before the server does."""
    peer: Certificate | None = None
    """The certificate that the client shows to a proxy that terminates its TLS."""
    local: Certificate | None = None
    """The certificate that such a proxy shows to the client."""
