from __future__ import annotations

import pytest

from simulator.istiod.protocol import Protocol, of_port, parse


@pytest.mark.parametrize(
    ("number", "name", "app_protocol", "want"),
    [
        (9080, "http", None, Protocol.HTTP),
        (9080, "http-web", None, Protocol.HTTP),
        (9080, "httpweb", None, Protocol.AUTO),
        (9080, "HTTP2", None, Protocol.HTTP2),
        (9080, "grpc-web", None, Protocol.GRPC_WEB),
        (9080, "grpc-api", None, Protocol.GRPC),
        (9080, "tcp", "http", Protocol.HTTP),
        (9080, "http", "kubernetes.io/h2c", Protocol.HTTP2),
        (9080, "", "kubernetes.io/wss", Protocol.HTTPS),
        (9080, "", None, Protocol.AUTO),
        (3306, "", None, Protocol.TCP),
        (3306, "http", None, Protocol.HTTP),
        (443, "https", None, Protocol.HTTPS),
    ],
)
def test_a_port_speaks(number: int, name: str, app_protocol: str | None, want: Protocol) -> None:
    assert of_port(number, name, app_protocol) is want


def test_udp_goes_by_the_transport() -> None:
    assert of_port(53, "http", None, "UDP") is Protocol.UDP


@pytest.mark.parametrize(
    ("protocol", "http", "http2", "tcp"),
    [
        (Protocol.HTTP, True, False, False),
        (Protocol.GRPC, True, True, False),
        (Protocol.TCP, False, False, True),
        (Protocol.HTTPS, False, False, True),
        (Protocol.AUTO, False, False, False),
        (Protocol.UDP, False, False, False),
    ],
)
def test_what_a_protocol_is(protocol: Protocol, http: bool, http2: bool, tcp: bool) -> None:
    assert (protocol.http, protocol.http2, protocol.tcp) == (http, http2, tcp)


def test_an_unknown_name_is_detected() -> None:
    assert parse("gopher").sniffed
