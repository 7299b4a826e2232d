"""Whether two sides of a TLS connection agree."""

from __future__ import annotations

import pytest

from simulator.envoy.match import StringKind, StringMatcher
from simulator.envoy.tls import Certificate
from simulator.envoy.transport import (
    ClientTls,
    ServerTls,
    Transport,
    admits,
    hello,
    refusal,
)

BOB = Certificate(uri_sans=("spiffe://mesh/ns/a/sa/bob",))
MESH = (StringMatcher(StringKind.PREFIX, "spiffe://mesh/"),)


def exact(name: str) -> tuple[StringMatcher, ...]:
    return (StringMatcher(StringKind.EXACT, name),)


@pytest.mark.parametrize(
    ("tls", "refused"),
    [
        pytest.param(ClientTls(), False, id="who asks nothing takes anyone"),
        pytest.param(
            ClientTls(names=exact("spiffe://mesh/ns/a/sa/bob")), False, id="the right one"
        ),
        pytest.param(ClientTls(names=exact("spiffe://mesh/ns/a/sa/eve")), True, id="another one"),
        pytest.param(ClientTls(named_by_host=True), True, id="a host that it does not bear"),
    ],
)
def test_what_a_client_takes(tls: ClientTls, refused: bool) -> None:
    assert bool(refusal(hello(tls, None, (), "bob:443"), BOB)) == refused


@pytest.mark.parametrize(
    ("server", "client", "admitted"),
    [
        pytest.param(ServerTls(), None, True, id="a server that does not ask"),
        pytest.param(ServerTls(asks=True), None, False, id="no certificate where one is asked for"),
        pytest.param(ServerTls(asks=True, names=MESH), BOB, True, id="one of the mesh"),
        pytest.param(
            ServerTls(asks=True, names=MESH),
            Certificate(uri_sans=("spiffe://other/ns/a/sa/bob",)),
            False,
            id="one of another trust domain",
        ),
    ],
)
def test_whom_a_server_takes(server: ServerTls, client: Certificate | None, admitted: bool) -> None:
    assert admits(server, client) == admitted


def test_a_filter_says_what_is_offered() -> None:
    tls = ClientTls(alpn=("istio",))

    assert hello(tls, None, (), "").alpn == ("istio",)
    assert hello(tls, None, ("istio-http/1.1",), "").alpn == ("istio-http/1.1",)


def test_the_host_is_the_server_name_where_no_other_is_given() -> None:
    assert hello(ClientTls(named_by_host=True), None, (), "bob:443").sni == "bob"
    assert hello(ClientTls(named_by_host=True, sni="eve"), None, (), "bob:443").sni == "eve"


def test_a_transport_suits_an_endpoint_that_has_all_it_asks() -> None:
    assert Transport(match={"tlsMode": "istio"}).suits({"tlsMode": "istio", "more": 1})
    assert not Transport(match={"tlsMode": "istio"}).suits({})
    assert Transport().suits({})
