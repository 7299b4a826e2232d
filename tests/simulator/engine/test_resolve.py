"""Where a client's URL leads."""

from __future__ import annotations

import pytest

from simulator.engine.resolve import OUTBOUND_PORT, resolve
from simulator.istiod.registry import UnknownProxyError
from simulator.scenario import Scenario
from tests.support.mesh import deployment, istio, scenario, service


@pytest.fixture(scope="module")
def world() -> Scenario:
    gateway = {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {
                "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                "hosts": ["shop.example.com", "*.example.org"],
            }
        ],
    }
    return scenario(
        service("a"),
        service("b", namespace="other"),
        deployment("a", "a", replicas=2),
        deployment("b", "b", namespace="other"),
        deployment("bare", "bare", sidecar=False),
        istio("Gateway", "shop", gateway),
    )


@pytest.mark.parametrize("host", ["a", "a.default", "a.default.svc", "a.default.svc.cluster.local"])
def test_a_sidecars_client_connects_to_the_services_address(world: Scenario, host: str) -> None:
    client = world.mesh.pod("a-0.default")
    target = resolve(world.mesh, client, f"http://{host}:9080/x?y=1")
    (connection,) = target.connections

    assert connection.address == world.mesh.services["a.default.svc.cluster.local"].ip
    assert (connection.port, connection.listener_port) == (9080, OUTBOUND_PORT)
    assert (target.authority, target.path) == (f"{host}:9080", "/x?y=1")


def test_a_short_name_is_looked_for_in_the_clients_own_namespace(world: Scenario) -> None:
    here = resolve(world.mesh, world.mesh.pod("a-0.default"), "http://b:9080/")
    there = resolve(world.mesh, world.mesh.pod("b-0.other"), "http://b:9080/")

    assert here.error == "could not resolve host: b"
    assert there.addresses == ((world.mesh.pod("b-0.other").ip, 9080),)


def test_a_bare_pod_is_sent_to_any_pod_of_the_service(world: Scenario) -> None:
    target = resolve(world.mesh, world.mesh.pod("bare-0.default"), "http://a:9080/")

    assert set(target.addresses) == {(pod.ip, 9080) for pod in world.mesh.pods_of("a.default")}


def test_a_strange_host_lies_somewhere_beyond_the_mesh(world: Scenario) -> None:
    target = resolve(world.mesh, world.mesh.pod("a-0.default"), "http://www.example.net/")
    (connection,) = target.connections

    assert (connection.address, connection.port) == ("203.0.113.1", 80)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("shop.example.com", id="served by a Gateway"),
        pytest.param("any.example.org", id="covered by a Gateway's wildcard"),
        pytest.param("istio-ingressgateway.istio-system", id="the gateway's own name"),
    ],
)
def test_a_client_outside_reaches_the_gateway(world: Scenario, host: str) -> None:
    gateway = world.mesh.pod("istio-ingressgateway.istio-system")
    target = resolve(world.mesh, None, f"http://{host}/")

    assert target.addresses == ((gateway.ip, 8080),)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        pytest.param("http://a:9080/", "could not resolve host: a", id="a service of the mesh"),
        pytest.param(
            "http://shop.example.com:81/",
            "connection refused: nothing serves shop.example.com:81",
            id="a port that the gateway's Service lacks",
        ),
        pytest.param("http://shop.example.com:x/", "", id="not a port"),
    ],
)
def test_a_client_outside_reaches_nothing_else(world: Scenario, url: str, error: str) -> None:
    target = resolve(world.mesh, None, url)

    assert not target.addresses
    assert target.error.startswith(error or f"{url!r} is not a URL")


def test_via_wins_over_the_host(world: Scenario) -> None:
    gateway = world.mesh.pod("istio-ingressgateway.istio-system")
    target = resolve(
        world.mesh, None, "http://nobody.test/", via="istio-ingressgateway.istio-system"
    )

    assert (target.addresses, target.authority) == (((gateway.ip, 8080),), "nobody.test")


def test_via_may_be_one_pod(world: Scenario) -> None:
    pod = world.mesh.pod("a-1.default")
    target = resolve(world.mesh, None, "http://a:9080/", via="a-1.default")

    assert target.addresses == ((pod.ip, 9080),)


def test_an_unknown_via_is_refused(world: Scenario) -> None:
    with pytest.raises(UnknownProxyError, match="aa"):
        resolve(world.mesh, None, "http://a:9080/", via="aa.default")
