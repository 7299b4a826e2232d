from __future__ import annotations

import pytest

from sandbox.drivers.loopback import Loopback, carried, meant
from tests.sandbox.meshes import bookshop


@pytest.mark.parametrize(
    ("port", "wanted"),
    [
        pytest.param(80, 61_080, id="a-privileged-port-is-moved-up"),
        pytest.param(1023, 62_023, id="the-last-privileged-port-too"),
        pytest.param(1024, 1024, id="others-stay"),
        pytest.param(9080, 9080, id="as-most-do"),
    ],
)
def test_ports_are_carried_and_meant_again(port: int, wanted: int) -> None:
    assert (carried(port), meant(carried(port))) == (wanted, port)


def test_no_address_is_given_twice() -> None:
    pods = bookshop().mesh.pods
    loopback = Loopback(7, pods)
    places = [loopback.place(pod.ref) for pod in pods]
    given = [each for place in places for each in (place.outbound, place.inbound, place.workload)]
    given += [loopback.vip(pod.ref, "10.96.0.1") for pod in pods]
    given += [loopback.claim, loopback.nowhere]

    assert len(set(given)) == len(given)
    assert all(each.startswith("127.7.") for each in given)


def test_an_address_leads_back_to_its_pod() -> None:
    pods = bookshop().mesh.pods
    loopback = Loopback(7, pods)

    for pod in pods:
        at = f"{loopback.place(pod.ref).workload}:{carried(80)}"
        assert loopback.owner(at) == pod.ref
        assert loopback.mesh_address(at) == f"{pod.ip}:80"


def test_a_gateway_is_entered_where_it_listens_and_a_sidecar_at_its_inbound_side() -> None:
    mesh = bookshop().mesh
    loopback = Loopback(7, mesh.pods)
    gateway = mesh.pod("istio-ingressgateway.istio-system")
    sidecar = mesh.pod("details-v1.default")

    assert loopback.entry(gateway.ip) == loopback.place(gateway.ref).outbound
    assert loopback.entry(sidecar.ip) == loopback.place(sidecar.ref).inbound
    assert loopback.entry("203.0.113.1") is None
