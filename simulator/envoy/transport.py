"""How a connection is secured: what each side asks of the other, and whether they agree.

Models    envoy.extensions.transport_sockets.tls.v3.{UpstreamTlsContext, DownstreamTlsContext}
Follows   envoy/source/common/tls/{ssl_socket,cert_validator/default_validator}.cc
Leaves    versions, ciphers and revocation; all certificates are taken to be the mesh's own
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.envoy.match import StringMatcher
from simulator.envoy.tls import Certificate

_ERROR = "TLS_error:|{}:TLS_error_end"
_REFUSED = "268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: "
NOT_TLS = _ERROR.format("268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER")
"""What a client says of a server that answers in plain text."""
NO_PROTOCOL = _ERROR.format(
    "268436576:SSL routines:OPENSSL_internal:TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
)
"""What it says of one that speaks none of the protocols that it offers."""
NOT_SUPPLIED = "TLS error: Secret is not supplied by SDS"
"""What is said where a certificate or an authority that is asked for has not come."""
CUT_OFF = _ERROR.format("33554536:system library:OPENSSL_internal:Connection reset by peer")
"""What it says of one that closes the connection in the midst of the handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """How a cluster's endpoints are spoken to."""

    sni: str = ""
    alpn: tuple[str, ...] = ()
    certificate: str = ""
    """The secret with the certificate that is shown; empty for none."""
    names: tuple[StringMatcher, ...] = ()
    """One of which the server's certificate must bear; none asks nothing."""
    secrets: tuple[str, ...] = ()
    """The certificates and authorities that it takes, by the names that they are asked for by."""
    named_by_host: bool = False
    """Whether the server's certificate must bear the request's host, which is its SNI too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """How a filter chain speaks to clients."""

    certificate: str = ""
    secrets: tuple[str, ...] = ()
    """As for `ClientTls`."""
    asks: bool = False
    """Whether clients must show a certificate."""
    names: tuple[StringMatcher, ...] = ()
    """One of which it must bear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """A transport socket for the endpoints whose metadata match."""

    match: Mapping[str, Any] = field(default_factory=dict)
    tls: ClientTls | None = None
    """None: plain text."""

    def suits(self, metadata: Mapping[str, Any]) -> bool:
        """Say whether an endpoint's metadata have all that is asked."""
        return all(metadata.get(name) == value for name, value in self.match.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A client that opens a connection with TLS."""

    tls: ClientTls
    sni: str = ""
    alpn: tuple[str, ...] = ()
    certificate: Certificate | None = None
    host: str = ""
    """The host of the request, where the server is to bear it."""
    ready: bool = True
    """Whether the client has all that it takes; if not, it gives up as soon as it is connected."""


def hello(
    tls: ClientTls,
    certificate: Certificate | None,
    alpn: tuple[str, ...],
    host: str,
    *,
    ready: bool = True,
) -> Hello:
    """Return how a client opens; `alpn` replaces what its configuration offers."""
    name = host.partition(":")[0]
    return Hello(
        tls=tls,
        sni=tls.sni or (name if tls.named_by_host else ""),
        alpn=alpn or tls.alpn,
        certificate=certificate,
        host=name,
        ready=ready,
    )


def refusal(client: Hello, server: Certificate | None) -> str:
    """Return why a client refuses a server's certificate, in Envoy's words; empty if not."""
    shown = () if server is None else (*server.dns_sans, *server.uri_sans)
    names = client.tls.names
    if names and not any(one.matches(name) for one in names for name in shown):
        return _ERROR.format(f"{_REFUSED}SAN matcher, certificate SANs are [{', '.join(shown)}]")
    if client.tls.named_by_host and client.host not in shown:
        listed = ", ".join(shown)
        words = f"verify SAN list, expected SANs: [{client.host}], certificate SANs: [{listed}]"
        return _ERROR.format(_REFUSED + words)
    return ""


def admits(server: ServerTls, client: Certificate | None) -> bool:
    """Say whether a server takes a client's certificate, or none."""
    if client is None:
        return not server.asks
    shown = (*client.dns_sans, *client.uri_sans)
    return not server.names or any(one.matches(name) for one in server.names for name in shown)
