from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy.bootstrap import load
from simulator.envoy.rejected import Rejected
from simulator.envoy_api import SchemaError, parse
from simulator.envoy_api.constraints import violations
from tests.simulator.envoy.playing import cluster
from tests.simulator.envoy.real import http_listener


def bootstrap(**more: Any) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [route]}]}
    return {
        "static_resources": {
            "listeners": [http_listener("main", table, [])],
            "clusters": [cluster("c", 80)],
        },
        **more,
    }


def test_static_resources_are_compiled() -> None:
    loaded = load(bootstrap())

    assert list(loaded.config.listeners) == ["main"]
    assert list(loaded.config.clusters) == ["c"]
    assert loaded.diagnostics == ()


def test_what_is_loaded_from_elsewhere_is_named() -> None:
    loaded = load(bootstrap(dynamic_resources={}), exists=lambda _: True)

    assert [each.field for each in loaded.diagnostics] == ["dynamic_resources"]


def test_a_file_that_is_not_there_is_refused() -> None:
    source = {"path_config_source": {"path": "absent.yaml"}}
    value = bootstrap(dynamic_resources={"cds_config": source})

    with pytest.raises(Rejected, match=r"Invalid path: absent\.yaml"):
        load(value, exists=lambda _: False)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(SchemaError, match="has no field `listners`"):
        load({"static_resources": {"listners": []}})


@pytest.mark.parametrize(
    ("value", "kind", "want"),
    [
        pytest.param(
            {"name": "", "connect_timeout": "0s"},
            "envoy.config.cluster.v3.Cluster",
            {
                "name": "ClusterValidationError.Name: value length must be at least 1 characters",
                "connect_timeout": "ClusterValidationError.ConnectTimeout: "
                "value must be greater than 0s",
            },
            id="lengths-and-durations",
        ),
        pytest.param(
            {"name": "r", "match": {}},
            "envoy.config.route.v3.Route",
            {
                "match": "RouteMatchValidationError.PathSpecifier: value is required",
                "": "RouteValidationError.Action: value is required",
            },
            id="one-of-several-is-required",
        ),
        pytest.param(
            {"name": "c", "ring_hash_lb_config": {"minimum_ring_size": "8388609"}},
            "envoy.config.cluster.v3.Cluster",
            {
                "ring_hash_lb_config.minimum_ring_size": "RingHashLbConfigValidationError."
                "MinimumRingSize: value must be less than or equal to 8388608"
            },
            id="ranges-inside",
        ),
        pytest.param(
            {"outlier_detection": {"max_ejection_percent": 101}, "name": "c"},
            "envoy.config.cluster.v3.Cluster",
            {
                "outlier_detection.max_ejection_percent": "OutlierDetectionValidationError."
                "MaxEjectionPercent: value must be less than or equal to 100"
            },
            id="wrapped-numbers",
        ),
        pytest.param(
            {"name": "h", "domains": []},
            "envoy.config.route.v3.VirtualHost",
            {
                "domains": "VirtualHostValidationError.Domains: "
                "value must contain at least 1 item(s)"
            },
            id="lists",
        ),
        pytest.param(
            {"prefix": "/"}, "envoy.config.route.v3.RouteMatch", {}, id="nothing-is-wrong"
        ),
    ],
)
def test_the_rules_of_the_schema(value: dict[str, Any], kind: str, want: dict[str, str]) -> None:
    found = {each.path: each.reason for each in violations(parse(value, kind))}

    assert found == want
