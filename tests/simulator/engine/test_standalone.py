"""An Envoy with a hand-written bootstrap: what its listeners and clusters do with requests."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.config.scenario import Answer, Behaviour, Request, ScenarioFile
from simulator.engine.probe import probe
from simulator.engine.standalone import CircleError, Standalone
from simulator.engine.world import World
from simulator.envoy.compile import Rejected
from simulator.envoy_api import SchemaError
from simulator.observe.explain import FieldRef

FILTERS = "type.googleapis.com/envoy.extensions.filters.network"
HTTP = f"{FILTERS}.http_connection_manager.v3"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def listener(port: int, cluster: str, name: str = "") -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    manager = {
        "@type": f"{HTTP}.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}],
            "validate_clusters": False,
        },
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    return {"name": name, "address": socket("127.0.0.1", port), "filter_chains": [chain]}


def cluster(name: str, *places: tuple[str, int], kind: str = "STATIC") -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": socket(*place)}} for place in places]
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
    return {"name": name, "type": kind, "load_assignment": assignment}


def bootstrap(**more: Any) -> dict[str, Any]:
    listeners = [listener(10000, "pages"), listener(10001, "gone"), listener(10002, "empty")]
    clusters = [
        cluster("pages", ("127.0.0.1", 8080), ("pages.example", 80), kind="STRICT_DNS"),
        cluster("empty"),
    ]
    return {"static_resources": {"listeners": listeners, "clusters": clusters}, **more}


@pytest.mark.parametrize(
    ("port", "status", "flags", "error"),
    [
        pytest.param(10000, 200, (), None, id="an-endpoint-answers"),
        pytest.param(10001, 503, ("NC",), None, id="the-cluster-is-unknown"),
        pytest.param(10002, 503, ("UH",), None, id="the-cluster-is-empty"),
        pytest.param(10003, None, (), "connection refused", id="no-listener"),
    ],
)
def test_a_port_says_which_listener_is_meant(
    port: int, status: int | None, flags: tuple[str, ...], error: str | None
) -> None:
    found = bootstrap()
    manager = found["static_resources"]["listeners"][1]["filter_chains"][0]["filters"][0]
    manager["typed_config"]["route_config"]["validate_clusters"] = False

    (seen,) = Standalone.of(found).probe([Request(url=f"http://any.host:{port}/")])

    assert (seen.status, seen.response_flags, seen.error) == (status, flags, error)


def test_every_endpoint_has_its_turn_under_its_own_address() -> None:
    seen = Standalone.of(bootstrap()).probe([Request(url="http://h:10000/", count=4)])

    addresses = [each.upstream.address if each.upstream else None for each in seen]
    assert sorted(set(map(str, addresses))) == ["127.0.0.1:8080", "pages.example:80"]
    assert addresses[:2] == addresses[2:]


def test_reasons_know_their_place_in_the_bootstrap() -> None:
    proxy = Standalone.of(bootstrap())
    asked: list[FieldRef] = []

    def source(_: str, field: FieldRef) -> str:
        asked.append(field)
        return proxy.path(field.kind, field.resource, field.path)

    (seen,) = proxy.probe([Request(url="http://h:10000/")], source=source)

    assert asked
    assert "static_resources.clusters[0]" in str(seen.explain)
    where = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config"
    assert f"{where}.virtual_hosts[0].routes[0]" in str(seen.explain)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param({"layered_runtime": {"layers": []}}, "layered_runtime", id="runtime"),
        pytest.param({"dynamic_resources": {}}, "dynamic_resources", id="a-control-plane"),
    ],
)
def test_what_is_not_read_is_named(more: dict[str, Any], field: str) -> None:
    found = Standalone.of(bootstrap(**more)).diagnostics

    assert field in [each.field for each in found if each.code == "not-simulated"]


def test_an_endpoint_that_is_its_own_listener_is_named() -> None:
    found = bootstrap()
    found["static_resources"]["clusters"].append(cluster("loop", ("127.0.0.1", 10000)))

    assert any("listener of its own" in each.message for each in Standalone.of(found).diagnostics)


def test_requests_that_come_back_without_end_are_stopped() -> None:
    found = bootstrap()
    original: dict[str, Any] = {
        "name": "pages",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
    }
    # The circuit breaker of its connections would stop them sooner, as in Envoy.
    original["circuit_breakers"] = {"thresholds": [{"max_connections": 1_000_000}]}
    found["static_resources"]["clusters"] = [original]
    proxy = {"@type": f"{FILTERS}.tcp_proxy.v3.TcpProxy", "stat_prefix": "x", "cluster": "pages"}
    chain = {"filters": [{"name": "tcp", "typed_config": proxy}]}
    circle = {"address": socket("0.0.0.0", 10000), "filter_chains": [chain]}
    found["static_resources"]["listeners"] = [circle | {"use_original_dst": True}]

    with pytest.raises(CircleError, match="sends it to itself"):
        Standalone.of(found).probe([Request(url="http://h:10000/")])


def test_a_network_filter_that_is_not_simulated_ends_the_connection() -> None:
    found = bootstrap()
    proxy: dict[str, Any] = {"@type": f"{FILTERS}.redis_proxy.v3.RedisProxy", "stat_prefix": "x"}
    proxy |= {"settings": {"op_timeout": "1s"}}
    chain = found["static_resources"]["listeners"][0]["filter_chains"][0]
    chain["filters"] = [{"name": "redis", "typed_config": proxy}]
    redis = Standalone.of(found)

    (seen,) = redis.probe([Request(url="http://h:10000/")])

    assert (seen.status, bool(seen.error)) == (None, True)
    assert any("redis" in each.message for each in redis.diagnostics)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        pytest.param({"static_resource": {}}, SchemaError, id="an-unknown-field"),
        pytest.param(
            {"static_resources": {"listeners": [cluster("x")]}},
            SchemaError,
            id="a-cluster-in-place-of-a-listener",
        ),
        pytest.param(
            {"static_resources": {"clusters": [{"name": ""}]}},
            Rejected,
            id="a-cluster-that-envoy-refuses",
        ),
    ],
)
def test_what_envoy_would_refuse_is_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Standalone.of(wrong)


def test_a_cluster_of_clusters_follows_their_health() -> None:
    near, far = cluster("near", ("10.9.0.1", 80)), cluster("far", ("10.9.0.2", 80))
    near["health_checks"] = [
        {
            "timeout": "1s",
            "interval": "0.001s",
            "no_traffic_interval": "0.001s",
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
            "http_health_check": {"path": "/"},
        }
    ]
    kind = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
    both = {
        "name": "both",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {"@type": kind, "clusters": ["near", "far"]},
        },
    }
    static = {"listeners": [listener(10000, "both")], "clusters": [near, far, both]}
    one = Standalone.of({"static_resources": static})
    script = Behaviour(script=(*(Answer(status=200),) * 4, Answer(status=503)))
    workloads = {"10.9.0.1.standalone": script}
    world = World(one.mesh, ScenarioFile(workloads=workloads), lambda _: one.config, seed=1)

    asked = [
        probe(world, Request(url="http://h:10000/", via="envoy.standalone"), id="x", n=n)
        for n in range(40)
    ]

    addresses = {each.upstream.address for each in asked if each.upstream}
    assert addresses == {"10.9.0.1:80", "10.9.0.2:80"}
    assert {each.cluster for each in asked} == {"both"}


def test_a_stream_on_which_nothing_happens_ends() -> None:
    found = bootstrap()
    manager = found["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    fault = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "delay": {"fixed_delay": "5s", "percentage": {"numerator": 100}},
    }
    config = manager["typed_config"]
    config["stream_idle_timeout"] = "0.1s"
    config["http_filters"].insert(0, {"name": "fault", "typed_config": fault})

    (seen,) = Standalone.of(found).probe(
        [Request(url="http://any.host:10000/")], source=lambda _, field: field.path
    )

    assert (seen.status, seen.response_flags, seen.details) == (
        504,
        ("DI", "SI"),
        "stream_idle_timeout",
    )
    # Half a millisecond is the client's way to the Envoy and back.
    assert seen.duration_ns == 100_500_000
    assert "nothing has happened for 100 ms" in str(seen.explain)
