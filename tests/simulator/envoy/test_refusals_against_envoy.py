"""Broken bootstraps: what the real Envoy refuses is refused, for its reason, and nothing else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.bootstrap import load
from simulator.envoy.rejected import Rejected
from simulator.envoy_api import SchemaError
from simulator.envoy_api.extract import locate_binary
from tests.simulator.envoy.playing import cluster
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}
ALL = {"prefix": "/"}


def bootstrap(listeners: list[Any], clusters: list[Any]) -> dict[str, Any]:
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def hosts(*found: dict[str, Any], **table: Any) -> dict[str, Any]:
    whole = {"name": "r", "virtual_hosts": list(found), **table}
    return bootstrap([http_listener("main", whole, [])], [cluster("live", 8001)])


def one_route(route: dict[str, Any], **table: Any) -> dict[str, Any]:
    return hosts({"name": "h", "domains": ["*"], "routes": [route]}, **table)


def action(**fields: Any) -> dict[str, Any]:
    return one_route({"match": ALL, "route": {"cluster": "live", **fields}})


def matched(match: dict[str, Any]) -> dict[str, Any]:
    return one_route({"match": match, "route": {"cluster": "live"}})


def weights(*given: Any) -> dict[str, Any]:
    clusters = [{"name": "live", "weight": weight} for weight in given]
    return one_route({"match": ALL, "route": {"weighted_clusters": {"clusters": clusters}}})


def listener(**fields: Any) -> dict[str, Any]:
    whole = {"name": "r", "virtual_hosts": []}
    return bootstrap([{**http_listener("main", whole, []), **fields}], [])


def manager(**fields: Any) -> dict[str, Any]:
    found = listener()
    chain = found["static_resources"]["listeners"][0]["filter_chains"][0]
    chain["filters"][0]["typed_config"].update(fields)
    return found


def upstream(**fields: Any) -> dict[str, Any]:
    return bootstrap([], [{"name": "c", "connect_timeout": "1s", **fields}])


def fault(**abort: Any) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
    config = {"@type": kind, "abort": {"http_status": 503, **abort}}
    return manager(http_filters=[{"name": "fault", "typed_config": config}, ROUTER])


def matching(length: int) -> dict[str, Any]:
    found = listener()
    chain = found["static_resources"]["listeners"][0]["filter_chains"][0]
    ranges = [{"address_prefix": "192.0.2.1", "prefix_len": length}]
    chain["filter_chain_match"] = {"prefix_ranges": ranges}
    return found


def aggregate(*members: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
    config = {"@type": kind, "clusters": list(members)}
    which = {"name": "envoy.clusters.aggregate", "typed_config": config}
    return upstream(lb_policy="CLUSTER_PROVIDED", cluster_type=which)


UNKNOWN = {"match": ALL, "route": {"cluster": "nobody"}}
CASES: dict[str, dict[str, Any]] = {
    "a-weight-below-0": weights(-1),
    "no-weight-at-all": weights(0),
    "the-largest-weight": weights(4_294_967_295),
    "weights-too-large-together": weights(4_294_967_295, 1),
    "a-weight-too-large": weights(4_294_967_296),
    "a-weight-of-1e308": weights(1e308),
    "half-a-weight": weights(1.5),
    "a-percentage-of-1e308": fault(percentage={"numerator": 1e308}),
    "a-percentage-below-0": fault(percentage={"numerator": -1}),
    "a-percentage-above-100": fault(percentage={"numerator": 150}),
    "an-unknown-denominator": fault(percentage={"denominator": "DOZEN"}),
    "a-status-below-200": fault(http_status=99),
    "a-status-of-600": fault(http_status=600),
    "sampling-of-1e308": manager(tracing={"random_sampling": {"value": 1e308}}),
    "sampling-that-is-no-number": manager(tracing={"random_sampling": {"value": "NaN"}}),
    "a-panic-threshold-of-1e308": upstream(
        common_lb_config={"healthy_panic_threshold": {"value": 1e308}}
    ),
    "a-panic-threshold-that-is-no-number": upstream(
        common_lb_config={"healthy_panic_threshold": {"value": "NaN"}}
    ),
    "a-budget-that-is-no-number": upstream(
        circuit_breakers={"thresholds": [{"retry_budget": {"budget_percent": {"value": "NaN"}}}]}
    ),
    "a-nanosecond": action(timeout="0.000000001s"),
    "a-time-below-0": action(timeout="-1s"),
    "an-idle-time-below-0": manager(stream_idle_timeout="-1s"),
    "three-hundred-years": action(timeout="9223372035s"),
    "a-time-too-long-to-count": action(timeout="9223372036s"),
    "a-time-too-long-to-write": action(timeout="315576000001s"),
    "a-time-without-a-unit": action(timeout="1"),
    "a-time-in-milliseconds": action(timeout="1ms"),
    "no-time-to-connect": upstream(connect_timeout="0s"),
    "a-billion-retries": action(retry_policy={"retry_on": "5xx", "num_retries": 10**9}),
    "retries-below-0": action(retry_policy={"num_retries": -1}),
    "ten-billion-retries": action(retry_policy={"num_retries": 10**10}),
    "no-back-off": action(retry_policy={"retry_back_off": {"base_interval": "0s"}}),
    "a-back-off-beyond-its-largest": action(
        retry_policy={"retry_back_off": {"base_interval": "2s", "max_interval": "1s"}}
    ),
    "redirects-without-end": action(
        internal_redirect_policy={"max_internal_redirects": 4_294_967_295}
    ),
    "a-regex-too-large": matched({"safe_regex": {"regex": "((a{1000}){1000}){1000}"}}),
    "a-regex-left-open": matched({"safe_regex": {"regex": "(("}}),
    "a-regex-that-looks-ahead": matched({"safe_regex": {"regex": "(?=a)"}}),
    "a-regex-that-looks-back": matched({"safe_regex": {"regex": r"(a)\1"}}),
    "an-empty-regex": matched({"safe_regex": {"regex": ""}}),
    "a-group-that-is-not-there": action(
        regex_rewrite={"pattern": {"regex": "a"}, "substitution": r"\9"}
    ),
    "no-match": one_route({"route": {"cluster": "live"}}),
    "an-empty-match": matched({}),
    "nothing-to-do": one_route({"match": ALL}),
    "no-cluster": one_route({"match": ALL, "route": {}}),
    "an-unknown-cluster": one_route(UNKNOWN),
    "an-unknown-cluster-not-looked-for": one_route(UNKNOWN, validate_clusters=False),
    "an-unknown-weighted-cluster": one_route(
        {
            "match": ALL,
            "route": {"weighted_clusters": {"clusters": [{"name": "nobody", "weight": 1}]}},
        }
    ),
    "an-unknown-mirror": action(request_mirror_policies=[{"cluster": "nobody"}]),
    "an-unknown-enum-value": upstream(lb_policy="BEST"),
    "an-unknown-number-of-an-enum": upstream(lb_policy=99),
    "a-number-that-changes-nothing": manager(path_with_escaped_slashes_action=9),
    "an-unknown-field": action(colour="red"),
    "a-name-that-is-a-number": upstream(name=5),
    "an-unknown-type": manager(
        http_filters=[{"name": "a", "typed_config": {"@type": "type.googleapis.com/no.Such"}}]
    ),
    "a-domain-twice": hosts(
        {"name": "a", "domains": ["a.example"]}, {"name": "b", "domains": ["A.example"]}
    ),
    "a-virtual-host-twice": hosts({"name": "a", "domains": ["a"]}, {"name": "a", "domains": ["b"]}),
    "no-domain": hosts({"name": "a", "domains": []}),
    "a-cluster-twice": bootstrap([], [cluster("a", 1), cluster("a", 1)]),
    "a-protocol-twice": manager(upgrade_configs=[{"upgrade_type": "a"}, {"upgrade_type": "A"}]),
    "a-protocol-twice-in-a-route": action(
        upgrade_configs=[{"upgrade_type": "a"}, {"upgrade_type": "A"}]
    ),
    "a-tunnel-that-is-none": action(upgrade_configs=[{"upgrade_type": "a", "connect_config": {}}]),
    "a-router-before-the-router": manager(http_filters=[ROUTER, ROUTER]),
    "no-name-for-statistics": manager(stat_prefix=""),
    "an-address-that-is-a-name": listener(
        address={"socket_address": {"address": "nowhere", "port_value": 1}}
    ),
    "a-port-too-large": listener(
        address={"socket_address": {"address": "127.0.0.1", "port_value": 65_536}}
    ),
    "a-prefix-longer-than-the-address": matching(33),
    "a-prefix-longer-than-any-address": matching(129),
    "a-cluster-of-itself": aggregate("c"),
    "a-cluster-of-none": aggregate(),
    "a-ring-turned-around": upstream(
        lb_policy="RING_HASH",
        ring_hash_lb_config={"minimum_ring_size": 10, "maximum_ring_size": 5},
    ),
    "more-than-all-ejected": upstream(outlier_detection={"max_ejection_percent": 101}),
}
ENVOYS_OWN_WORDS = (
    "Value not in the range of 0..100 range.",
    "Duplicate upgrade A",
    "Invalid duration: Expected positive duration",
    "Invalid duration: Duration out-of-range",
    "Non-CONNECT upgrade type a has ConnectConfig",
    "cluster manager: duplicate cluster 'a'",
    "malformed IP address: nowhere",
    "must be the last filter in a http filter chain.",
    "route: unknown cluster 'nobody'",
    "route: unknown shadow cluster 'nobody'",
    "route: unknown weighted cluster 'nobody'",
)


def validated(value: dict[str, Any], folder: Path) -> str:
    """Return why the real Envoy refuses a bootstrap; empty if it does not."""
    path = folder / "envoy.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    command = [str(locate_binary()), "--mode", "validate", "-l", "error", "-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stderr + done.stdout


def loaded(value: dict[str, Any]) -> str:
    """Return why the simulator refuses it, likewise."""
    try:
        load(value)
    except (Rejected, SchemaError) as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("name", CASES)
def test_a_bootstrap_is_refused_as_by_envoy(name: str, tmp_path: Path) -> None:
    want, got = validated(CASES[name], tmp_path), loaded(CASES[name])

    assert bool(got) == bool(want), (got, want)
    for words in ENVOYS_OWN_WORDS:
        assert (words in got) == (words in want), (got, want)
