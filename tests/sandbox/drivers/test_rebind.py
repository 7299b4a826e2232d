"""What is changed, and that nothing else is: each resource is put back and compared whole."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.drivers.loopback import Loopback, carried, meant
from sandbox.drivers.rebind import Rebound, rebind
from simulator import envoy_api
from simulator.envoy_api import Resources, parse
from simulator.scenario import Scenario
from tests.sandbox.meshes import bookshop

LISTENER = "envoy.config.listener.v3.Listener"
CLUSTER = "envoy.config.cluster.v3.Cluster"
ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment"
ORIGINAL_DST = {
    "name": "envoy.filters.listener.original_dst",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
    },
}
POD = "details-v1-0.default"


@pytest.fixture(scope="module")
def shop() -> Scenario:
    return bookshop()


def carry(shop: Scenario, pod: str = POD, **given: Any) -> Rebound:
    resources = Resources(**given) if given else shop.translate(pod).resources
    gateway = shop.mesh.pod(pod).gateway
    return rebind(resources, pod, Loopback(7, shop.mesh.pods), gateway=gateway)


def socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def outbound(name: str = "0.0.0.0_80", address: str = "0.0.0.0", port: int = 80) -> dict[str, Any]:
    return {
        "name": name,
        "address": socket(address, port),
        "bind_to_port": False,
        "traffic_direction": "OUTBOUND",
    }


def test_a_wildcard_listener_is_bound_at_the_proxys_own_address(shop: Scenario) -> None:
    carried_over = carry(shop, listeners=(parse(outbound(), LISTENER),))
    place = Loopback(7, shop.mesh.pods).place(POD)

    assert envoy_api.format(carried_over.resources.listeners[0]) == {
        "name": "0.0.0.0_80",
        "address": socket(place.outbound, carried(80)),
        "traffic_direction": "OUTBOUND",
    }
    assert [(each.address, each.port, each.at) for each in carried_over.listeners] == [
        ("0.0.0.0", 80, place.outbound)
    ]


def test_a_service_address_gets_one_of_its_own(shop: Scenario) -> None:
    given = (
        parse(outbound("10.96.0.20_3306", "10.96.0.20", 3306), LISTENER),
        parse(outbound("10.96.0.21_3306", "10.96.0.21", 3306), LISTENER),
        parse(outbound("10.96.0.20_80", "10.96.0.20", 80), LISTENER),
    )
    found = [each.at for each in carry(shop, listeners=given).listeners]

    assert found[0] == found[2] != found[1]


def test_the_capture_of_what_leaves_is_refused_by_name(shop: Scenario) -> None:
    given = {**outbound("virtualOutbound", port=15001), "use_original_dst": True}
    found = carry(shop, listeners=(parse(given, LISTENER),))

    assert found.resources.listeners == ()
    assert list(found.refused) == ["virtualOutbound"]


def test_the_capture_of_what_arrives_is_bound_at_every_port_of_its_chains(shop: Scenario) -> None:
    given = {
        "name": "virtualInbound",
        "address": socket("0.0.0.0", 15006),
        "traffic_direction": "INBOUND",
        "listener_filters": [
            ORIGINAL_DST,
            {
                "name": "envoy.filters.listener.http_inspector",
                "filter_disabled": {
                    "or_match": {
                        "rules": [
                            {"destination_port_range": {"start": 80, "end": 81}},
                            {"destination_port_range": {"start": 9080, "end": 9081}},
                        ]
                    }
                },
            },
        ],
        "filter_chains": [
            {"name": "blackhole", "filter_chain_match": {"destination_port": 15006}},
            {"name": "web", "filter_chain_match": {"destination_port": 9080}},
            {"name": "low", "filter_chain_match": {"destination_port": 80}},
        ],
    }
    found = carry(shop, listeners=(parse(given, LISTENER),))
    at = Loopback(7, shop.mesh.pods).place(POD).inbound

    assert envoy_api.format(found.resources.listeners[0]) == {
        "name": "virtualInbound",
        "address": socket(at, carried(80)),
        "additional_addresses": [{"address": socket(at, 9080)}],
        "traffic_direction": "INBOUND",
        "listener_filters": [
            {
                "name": "envoy.filters.listener.http_inspector",
                "filter_disabled": {
                    "or_match": {
                        "rules": [
                            {
                                "destination_port_range": {
                                    "start": carried(80),
                                    "end": carried(80) + 1,
                                }
                            },
                            {"destination_port_range": {"start": 9080, "end": 9081}},
                        ]
                    }
                },
            },
        ],
        "filter_chains": [
            {"name": "blackhole", "filter_chain_match": {"destination_port": 15006}},
            {"name": "web", "filter_chain_match": {"destination_port": 9080}},
            {"name": "low", "filter_chain_match": {"destination_port": carried(80)}},
        ],
    }


def test_an_inbound_cluster_leads_to_the_own_workload(shop: Scenario) -> None:
    given = {"name": "inbound|9080||", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    found = carry(shop, clusters=(parse(given, CLUSTER),))
    at = Loopback(7, shop.mesh.pods).place(POD).workload

    assert envoy_api.format(found.resources.clusters[0]) == {
        "name": "inbound|9080||",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "inbound|9080||",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(at, 9080)}}]}],
        },
    }


@pytest.mark.parametrize(
    "name", [pytest.param(each, id=each) for each in ("PassthroughCluster", "outbound|80||x.y")]
)
def test_passthrough_is_refused_by_name(shop: Scenario, name: str) -> None:
    given = {"name": name, "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}

    assert list(carry(shop, clusters=(parse(given, CLUSTER),)).refused) == [name]


def test_what_leads_beyond_the_mesh_leads_nowhere_and_no_name_is_looked_up(shop: Scenario) -> None:
    given = {
        "name": "outbound|443||api.example.com",
        "type": "STRICT_DNS",
        "load_assignment": {
            "cluster_name": "x",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket("api.example.com", 443)}}]}
            ],
        },
    }
    found = carry(shop, clusters=(parse(given, CLUSTER),))
    at = found.resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint

    assert at.address.socket_address.address == Loopback(7, shop.mesh.pods).nowhere
    assert envoy_api.format(found.resources.clusters[0])["type"] == "STATIC"
    assert list(found.refused) == ["outbound|443||api.example.com"]


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(each, id=each)
        for each in (POD, "productpage-v1-0.default", "istio-ingressgateway-0.istio-system")
    ],
)
@pytest.mark.parametrize("port", [pytest.param(p, id=str(p)) for p in (9080, 80)])
def test_all_else_stays_byte_for_byte(pod: str, port: int) -> None:
    shop = bookshop(port=port)
    loopback = Loopback(7, shop.mesh.pods)
    given = shop.translate(pod).resources
    found = rebind(given, pod, loopback, gateway=shop.mesh.pod(pod).gateway)
    kept = {each.name: each for each in found.resources.listeners}

    assert found.resources.routes == given.routes
    assert found.resources.secrets == given.secrets
    for before in given.listeners:
        if before.name in kept:
            assert _put_back(kept[before.name], before) == before.SerializeToString(
                deterministic=True
            )
        else:
            assert before.name in found.refused
    for before, after in zip(given.clusters, found.resources.clusters, strict=True):
        assert _put_back_cluster(after, before) == before.SerializeToString(deterministic=True)
    for before, after in zip(given.endpoints, found.resources.endpoints, strict=True):
        assert _put_back_endpoints(after, loopback) == before.SerializeToString(deterministic=True)


def _put_back(listener: Any, before: Any) -> bytes:
    """Undo the four changes to a listener: address, further addresses, capture, chains' ports."""
    listener.address.CopyFrom(before.address)
    del listener.additional_addresses[:]
    if before.HasField("bind_to_port"):
        listener.bind_to_port.CopyFrom(before.bind_to_port)
    captures = [each for each in before.listener_filters if each.name == ORIGINAL_DST["name"]]
    rest = [*listener.listener_filters]
    del listener.listener_filters[:]
    listener.listener_filters.extend([*captures, *rest])
    for chain in listener.filter_chains:
        match = chain.filter_chain_match
        if chain.HasField("filter_chain_match") and match.HasField("destination_port"):
            match.destination_port.value = meant(match.destination_port.value)
    for each in listener.listener_filters:
        rules = each.filter_disabled.or_match.rules if each.HasField("filter_disabled") else ()
        for rule in rules:
            start = meant(rule.destination_port_range.start)
            rule.destination_port_range.start, rule.destination_port_range.end = start, start + 1
    return bytes(listener.SerializeToString(deterministic=True))


def _put_back_cluster(cluster: Any, before: Any) -> bytes:
    if before.name.startswith("inbound|"):
        cluster.ClearField("load_assignment")
        cluster.type, cluster.lb_policy = before.type, before.lb_policy
    return bytes(cluster.SerializeToString(deterministic=True))


def _put_back_endpoints(assignment: Any, loopback: Loopback) -> bytes:
    for locality in assignment.endpoints:
        for each in locality.lb_endpoints:
            at = each.endpoint.address.socket_address
            host, _, port = loopback.mesh_address(f"{at.address}:{at.port_value}").rpartition(":")
            at.address, at.port_value = host, int(port)
    return bytes(assignment.SerializeToString(deterministic=True))
