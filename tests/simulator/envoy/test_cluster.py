from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy.cluster import (
    Cluster,
    Discovery,
    Endpoint,
    Health,
    Policy,
    Thresholds,
)
from simulator.envoy.compile import Rejected, compile_cluster
from simulator.envoy_api import parse

TYPE = "type.googleapis.com/"


def lb_endpoint(address: str, **more: Any) -> dict[str, Any]:
    where = {"socket_address": {"address": address, "port_value": 80}}
    return {"endpoint": {"address": where}, **more}


def assignment(*groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cluster_name": "eds", "endpoints": list(groups), **more}


def compiled(config: dict[str, Any], eds: dict[str, Any] | None = None) -> Cluster:
    message = parse({"name": "c", **config}, "envoy.config.cluster.v3.Cluster")
    loaded = eds and parse(eds, "envoy.config.endpoint.v3.ClusterLoadAssignment")
    return compile_cluster(message, loaded)


def test_endpoints_come_in_order_with_all_that_is_said_of_them() -> None:
    near = {
        "locality": {"region": "r", "zone": "z"},
        "lb_endpoints": [
            lb_endpoint("10.0.0.1", load_balancing_weight=3),
            lb_endpoint("10.0.0.2", health_status="UNHEALTHY"),
            lb_endpoint("10.0.0.1"),
        ],
    }
    far = {"priority": 1, "lb_endpoints": [lb_endpoint("10.0.0.3", health_status="DEGRADED")]}

    cluster = compiled({"type": "EDS"}, assignment(near, far))

    assert cluster.endpoints == (
        Endpoint(address="10.0.0.1", port=80, weight=3, locality="r/z"),
        Endpoint(
            address="10.0.0.2", port=80, health=Health.UNHEALTHY, status="UNHEALTHY", locality="r/z"
        ),
        Endpoint(
            address="10.0.0.3", port=80, health=Health.DEGRADED, status="DEGRADED", priority=1
        ),
    )
    assert cluster.priorities == 2
    assert (cluster.endpoints_kind, cluster.endpoints_resource) == ("endpoints", "eds")
    assert cluster.endpoints[2].field_path == "endpoints[1].lb_endpoints[0]"


def test_an_eds_cluster_without_an_assignment_is_empty() -> None:
    assert compiled({"type": "EDS"}).endpoints == ()


def test_static_endpoints_stand_in_the_cluster() -> None:
    cluster = compiled({"load_assignment": assignment({"lb_endpoints": [lb_endpoint("10.0.0.1")]})})

    assert cluster.type is Discovery.STATIC
    assert cluster.endpoints_kind == "clusters"
    assert cluster.endpoints[0].field_path == "load_assignment.endpoints[0].lb_endpoints[0]"


LEAST_REQUEST = {
    "typed_extension_config": {
        "name": "lr",
        "typed_config": {
            "@type": TYPE
            + "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
            "choice_count": 4,
        },
    }
}


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param({}, (Policy.ROUND_ROBIN, 2), id="default"),
        pytest.param({"lb_policy": "RANDOM"}, (Policy.RANDOM, 2), id="random"),
        pytest.param(
            {"lb_policy": "LEAST_REQUEST", "least_request_lb_config": {"choice_count": 3}},
            (Policy.LEAST_REQUEST, 3),
            id="least-request",
        ),
        pytest.param(
            {"load_balancing_policy": {"policies": [LEAST_REQUEST]}, "lb_policy": "RANDOM"},
            (Policy.LEAST_REQUEST, 4),
            id="the-extension-wins",
        ),
        pytest.param(
            {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"},
            (Policy.CLUSTER_PROVIDED, 2),
            id="original-destination",
        ),
        pytest.param({"lb_policy": "MAGLEV"}, (Policy.MAGLEV, 2), id="maglev"),
    ],
)
def test_policy(config: dict[str, Any], want: tuple[Policy, int]) -> None:
    cluster = compiled(config)

    assert (cluster.lb_policy, cluster.choice_count) == want


def test_outlier_detection() -> None:
    given = {"consecutive_5xx": 2, "base_ejection_time": "400s", "always_eject_one_host": True}

    found = compiled({"outlier_detection": given}).outlier_detection

    assert found is not None
    assert (found.consecutive_5xx, found.interval_ns) == (2, 10_000_000_000)
    assert found.always_eject_one_host
    # Where it is not given, the longest time is no shorter than the base time.
    assert found.max_ejection_time_ns == 400_000_000_000


def test_an_ejection_may_not_be_longer_than_the_longest() -> None:
    given = {"max_ejection_time": "5s"}

    with pytest.raises(Rejected, match="max_ejection_time cannot be smaller"):
        compiled({"outlier_detection": given})


def test_limits_of_each_priority() -> None:
    limits = [
        {"max_requests": 7, "max_retries": 0},
        {"priority": "HIGH", "retry_budget": {"budget_percent": {"value": 50}}},
    ]

    cluster = compiled({"circuit_breakers": {"thresholds": limits}})

    assert (cluster.thresholds.max_requests, cluster.thresholds.max_connections) == (7, 1024)
    assert cluster.thresholds.field_path == "circuit_breakers.thresholds[0]"
    assert cluster.high_thresholds.budget_percent == 50


@pytest.mark.parametrize(
    ("limits", "retries", "requests", "want"),
    [
        pytest.param(Thresholds(), 2, 1, True, id="three-by-default"),
        pytest.param(Thresholds(), 3, 1, False, id="a-fourth-is-refused"),
        pytest.param(Thresholds(max_retries=0), 0, 1, False, id="none-allowed"),
        pytest.param(Thresholds(budget_percent=20.0), 3, 100, True, id="a-budget-replaces-it"),
        pytest.param(Thresholds(budget_percent=20.0), 20, 100, False, id="the-budget-is-spent"),
        pytest.param(Thresholds(budget_percent=20.0), 2, 1, True, id="its-least"),
    ],
)
def test_retries_that_fit(limits: Thresholds, retries: int, requests: int, want: bool) -> None:
    assert limits.allows_retry(retries, requests) is want


def test_other_settings() -> None:
    http2: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    cluster = compiled(
        {
            "type": "EDS",
            "connect_timeout": "0.25s",
            "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
            "typed_extension_protocol_options": {name: {"@type": TYPE + name, **http2}},
        },
        assignment(policy={"overprovisioning_factor": 100, "weighted_priority_health": True}),
    )

    assert cluster.connect_timeout_ns == 250_000_000
    assert cluster.panic_threshold == 0
    assert cluster.http2
    assert (cluster.overprovisioning, cluster.weighted_priority_health) == (100, True)


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        pytest.param({"outlier_detection": {}}, [], id="outlier-detection"),
        pytest.param(
            {"circuit_breakers": {"per_host_thresholds": [{"max_connections": 1}]}},
            ["circuit_breakers.per_host_thresholds"],
            id="breakers-of-one-host",
        ),
        pytest.param(
            {"outlier_detection": {"monitors": [{"name": "m", "typed_config": {}}]}},
            ["outlier_detection.monitors"],
            id="outlier-monitors",
        ),
        pytest.param(
            {"close_connections_on_host_health_failure": True},
            ["close_connections_on_host_health_failure"],
            id="closing-connections",
        ),
        pytest.param(
            {"transport_socket": {"name": "envoy.transport_sockets.raw_buffer"}},
            [],
            id="plain text",
        ),
        pytest.param({"alt_stat_name": "s", "dns_refresh_rate": "5s"}, [], id="without-effect"),
    ],
)
def test_what_is_not_simulated_is_said(config: dict[str, Any], fields: list[str]) -> None:
    findings = compiled(config).diagnostics

    assert [(each.code, each.resource, each.field) for each in findings] == [
        ("not-simulated", "clusters/c", field) for field in fields
    ]
