"""How a client, or a proxy in its turn, begins a connection: what its first bytes say."""

from __future__ import annotations

from dataclasses import dataclass, replace

from simulator.envoy.transport import Hello

HTTP1, HTTP2, BYTES = "http/1.1", "h2", ""
_PLAIN = {HTTP1: ("http/1.1",), HTTP2: ("h2c",), BYTES: ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What stands at the beginning of a connection."""

    hello: Hello | None = None
    """The TLS handshake that comes first; None: what follows is in plain text."""
    speaks: str = HTTP1
    """`http/1.1` or `h2`, inside TLS if there is any; empty where it is not HTTP."""
    silent: bool = False
    """Whether the client waits for the server to speak first."""
    inside: Opening | None = None
    """A connection with TLS of its own that this one carries."""

    @property
    def quiet(self) -> bool:
        """Say whether not one byte comes: a TLS client speaks first, whatever is inside."""
        return self.silent and self.hello is None

    @property
    def alpn(self) -> tuple[str, ...]:
        """Return what a proxy's inspectors find out of what is spoken."""
        return self.hello.alpn if self.hello is not None else _PLAIN[self.speaks]

    def secured(self, hello: Hello) -> Opening:
        """Return the opening of a connection with TLS that carries this one."""
        if self.hello is None:
            return replace(self, hello=hello)
        return Opening(hello=hello, speaks=BYTES, inside=self)

    @property
    def unwrapped(self) -> Opening:
        """Return what is left where the outermost TLS ends."""
        return self if self.hello is None else self.inside or replace(self, hello=None)


PLAIN = Opening()
_PLAIN_HTTP2 = Opening(speaks=HTTP2)


def of_http(hello: Hello | None, *, http2: bool = False) -> Opening:
    """Return how a proxy opens a connection for HTTP."""
    if hello is None:
        return _PLAIN_HTTP2 if http2 else PLAIN
    return Opening(hello=hello, speaks=HTTP2 if http2 else HTTP1)
