"""Clients that speak TLS, HTTP/2, gRPC or plain bytes, and what meets them on their way."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario, ScenarioError
from tests.support.mesh import deployment, istio, scenario, service

SECOND = 1_000_000_000
DETECTION = """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh, namespace: istio-system}
spec: {meshConfig: {protocolDetectionTimeout: 5s}}
"""


def security(mode: str) -> str:
    """Return a PeerAuthentication for the whole namespace."""
    return istio("PeerAuthentication", "all", {"mtls": {"mode": mode}}).replace(
        "networking.istio.io", "security.istio.io"
    )


CLIENT = deployment("client", "client")
STRICT = security("STRICT")
NO_MTLS = security("DISABLE")
HTTP2_UPSTREAM = {
    "host": "a",
    "trafficPolicy": {"connectionPool": {"http": {"useClientProtocol": True}}},
}


def mesh(*more: str, port_name: str = "tcp", ports: Any = None) -> Scenario:
    """Return a client and a server, whose port 9080 speaks as `ports` says."""
    return scenario(
        service("a", port_name=port_name),
        deployment("a", "a"),
        CLIENT,
        *more,
        workloads={"a": {"ports": {9080: ports or "http"}}},
    )


def send(world: Scenario, url: str, **more: Any) -> Observation:
    (seen,) = world.probe([Request.model_validate({"url": url, "from": "client.default"} | more)])
    return seen


def tcp(world: Scenario, **more: Any) -> Observation:
    return send(world, "tcp://a:9080", **{"protocol": "tcp", "body": "hello"} | more)


def test_bytes_are_answered_with_the_pods_name() -> None:
    seen = tcp(mesh(ports="tcp"))

    assert (seen.status, seen.error, seen.body) == (None, None, "a-0.default\n")
    assert [hop.protocol for hop in seen.hops] == [None, None]


def test_bytes_cross_the_mesh_in_mutual_tls() -> None:
    seen = tcp(mesh(STRICT, ports="tcp"))

    assert [hop.tls is not None and hop.tls.mtls for hop in seen.hops] == [True, True]


def test_bytes_at_a_port_named_http_are_no_request() -> None:
    seen = tcp(mesh(port_name="http", ports="tcp"))

    # What is not HTTP passes the client's sidecar by, and meets the server's.
    assert seen.error == "the answer is HTTP, with the status 400"
    assert seen.cluster == "PassthroughCluster"
    assert (seen.hops[1].response_flags, seen.hops[1].details) == (("DPE",), "http1.codec_error")


def test_a_workload_that_speaks_http_cannot_read_bytes() -> None:
    assert tcp(mesh()).error == "the answer is HTTP, with the status 400"


def test_a_workload_that_speaks_bytes_cannot_read_http() -> None:
    seen = send(mesh(ports="tcp"), "http://a:9080/")

    assert seen.status is None
    assert seen.error is not None


@pytest.mark.parametrize(
    ("policy", "port_name", "heard"),
    [
        pytest.param(NO_MTLS, "tcp", True, id="a-port-named-tcp-lets-the-server-greet"),
        pytest.param(STRICT, "tcp", True, id="and-so-it-does-in-mutual-tls"),
        pytest.param(NO_MTLS, "weird", False, id="a-port-whose-protocol-is-to-be-detected-hangs"),
    ],
)
def test_a_server_that_speaks_first(policy: str, port_name: str, *, heard: bool) -> None:
    seen = tcp(mesh(policy, port_name=port_name, ports="tcp-server-first"), body="")

    assert (seen.error, seen.body) == ((None, "a-0.default\n") if heard else ("no answer", None))


def test_plain_bytes_to_a_permissive_port_wait_for_a_client_hello() -> None:
    seen = tcp(
        mesh(
            security("PERMISSIVE"),
            istio(
                "DestinationRule", "a", {"host": "a", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}
            ),
            ports="tcp-server-first",
        ),
        body="",
    )

    assert seen.error == "no answer"


def test_a_silent_client_goes_on_when_protocol_detection_gives_up() -> None:
    seen = tcp(mesh(NO_MTLS, DETECTION, port_name="weird", ports="tcp-server-first"), body="")

    assert (seen.error, seen.body) == (None, "a-0.default\n")
    assert seen.duration_ns is not None
    assert seen.duration_ns > 5 * SECOND


def test_https_passes_a_sidecar_unread_and_ends_at_the_workload() -> None:
    seen = send(mesh(port_name="https", ports="https"), "https://a:9080/")

    assert seen.status == 200
    assert [hop.protocol for hop in seen.hops] == [None, None]


def test_https_inside_mutual_tls_is_tls_twice() -> None:
    seen = send(mesh(STRICT, port_name="https", ports="https"), "https://a:9080/")

    assert seen.status == 200
    assert seen.hops[1].tls is not None
    assert seen.hops[1].tls.mtls


def test_a_workload_that_speaks_https_answers_plain_http_with_400() -> None:
    assert send(mesh(port_name="tcp", ports="https"), "http://a:9080/").status == 400


def test_an_unknown_application_protocol_ends_the_handshake() -> None:
    world = mesh(NO_MTLS, port_name="https", ports="https")
    seen = send(world, "https://a:9080/", tls={"alpn": ["istio"]})

    assert seen.status is None
    assert seen.error is not None
    assert "NO_APPLICATION_PROTOCOL" in seen.error


@pytest.mark.parametrize(
    ("protocol", "rules", "want"),
    [
        pytest.param("http1", (), ["HTTP/1.1", "HTTP/1.1"], id="http1-stays-http1"),
        pytest.param("http2", (), ["HTTP/2", "HTTP/1.1"], id="http2-ends-at-the-sidecar"),
        pytest.param(
            "http2",
            (istio("DestinationRule", "a", HTTP2_UPSTREAM),),
            ["HTTP/2", "HTTP/2"],
            id="unless-the-server-is-spoken-to-as-the-client-speaks",
        ),
    ],
)
def test_what_is_spoken_on_each_hop(protocol: str, rules: tuple[str, ...], want: list[str]) -> None:
    seen = send(mesh(*rules, port_name="http"), "http://a:9080/", protocol=protocol)

    assert (seen.status, [hop.protocol for hop in seen.hops]) == (200, want)


def test_a_grpc_call_is_a_post_with_its_content_type() -> None:
    seen = send(mesh(port_name="grpc"), "http://a:9080/shop.Reviews/List", protocol="grpc")
    sent = seen.request_headers_upstream or {}

    assert (sent[":method"], sent["content-type"]) == ("POST", "application/grpc")
    assert [hop.protocol for hop in seen.hops] == ["HTTP/2", "HTTP/2"]


@pytest.mark.parametrize(
    ("binds", "answered"),
    [
        pytest.param("any", True, id="every-address"),
        pytest.param("pod", True, id="the-pods-own"),
        pytest.param("localhost", False, id="localhost-alone-is-not-reached"),
    ],
)
def test_a_workload_that_listens_at(binds: str, *, answered: bool) -> None:
    seen = send(mesh(port_name="http", ports={"binds": binds}), "http://a:9080/")

    assert seen.status == (200 if answered else 503)


@pytest.mark.parametrize(
    ("url", "body", "error"),
    [
        pytest.param("dns:///a", "10.96.0.11", None, id="a-short-name"),
        pytest.param("dns:///a.default.svc.cluster.local", "10.96.0.11", None, id="a-full-name"),
        pytest.param("dns:///b", None, "could not resolve host: b", id="an-unknown-name"),
        pytest.param(
            "dns://127.0.0.1/a",
            None,
            "connection refused: 127.0.0.1 answers no queries",
            id="a-server-that-is-none",
        ),
    ],
)
def test_a_name_is_looked_up(url: str, body: str | None, error: str | None) -> None:
    seen = send(mesh(), url, protocol="dns")

    assert (seen.body, seen.error, seen.hops) == (body, error, ())


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({"url": "ftp://a:9080/"}, "request-scheme", id="an-unknown-scheme"),
        pytest.param({"protocol": "tcp"}, "request-scheme", id="bytes-to-an-http-url"),
        pytest.param({"tls": {"sni": "a"}}, "request-tls", id="tls-on-a-plain-connection"),
        pytest.param(
            {"url": "https://a:9080/", "tls": {"client_cert": "shop/missing"}},
            "request-certificate",
            id="a-certificate-that-is-not-there",
        ),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(more: dict[str, Any], code: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        send(mesh(), **{"url": "http://a:9080/"} | more)

    assert {each.code for each in caught.value.diagnostics} == {code}
