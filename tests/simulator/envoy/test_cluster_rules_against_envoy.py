"""Clusters that the real Envoy refuses are refused, for the same reason; others are not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.bootstrap import load
from simulator.envoy.compile import Rejected
from simulator.envoy_api.extract import locate_binary

pytestmark = pytest.mark.envoy

LARGEST = 2**32 - 1
AGGREGATE = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
PROVIDED = {"lb_policy": "CLUSTER_PROVIDED"}
CHECK = {
    "timeout": "1s",
    "interval": "1s",
    "unhealthy_threshold": 1,
    "healthy_threshold": 1,
}


def endpoint(weight: int = 1, address: str = "127.0.0.1", port: int = 1) -> dict[str, Any]:
    place = {"socket_address": {"address": address, "port_value": port}}
    return {"endpoint": {"address": place}, "load_balancing_weight": weight}


def group(*endpoints: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"lb_endpoints": list(endpoints), **more}


def cluster(*groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    assignment = {"load_assignment": {"cluster_name": "a", "endpoints": list(groups)}}
    return {"name": "a", "connect_timeout": "1s", **(assignment if groups else {}), **more}


ONE, HUGE = endpoint(), endpoint(LARGEST, port=2)
A, B = {"locality": {"zone": "a"}}, {"locality": {"zone": "b"}}
HEAVY = {"load_balancing_weight": LARGEST}
LIGHT = {"load_balancing_weight": 1}
ZONES = (group(ONE, **A, **HEAVY), group(endpoint(port=2), **B, **LIGHT))
SUBSETS = {"subset_selectors": [{"keys": ["a"]}]}


def checked(**more: Any) -> dict[str, Any]:
    return cluster(group(ONE), health_checks=[{**CHECK, **more}])


CLUSTERS = {
    "huge-weights": cluster(group(ONE, HUGE)),
    "huge-weights-on-a-ring": cluster(group(ONE, HUGE), lb_policy="RING_HASH"),
    "huge-weights-in-a-table": cluster(group(ONE, HUGE), lb_policy="MAGLEV"),
    "huge-weights-apart": cluster(group(ONE, **A), group(HUGE, **B), lb_policy="MAGLEV"),
    "huge-weights-in-two-priorities": cluster(
        group(ONE), group(HUGE, priority=1), lb_policy="MAGLEV"
    ),
    "huge-localities": cluster(*ZONES),
    "huge-localities-in-a-table": cluster(*ZONES, lb_policy="MAGLEV"),
    "huge-weights-behind-a-name": cluster(
        group(ONE, HUGE), type="STRICT_DNS", lb_policy="MAGLEV"
    ),
    "no-weight": cluster(group(endpoint(0))),
    "a-locality-without-weight": cluster(group(ONE, load_balancing_weight=0)),
    "too-many-priorities": cluster(group(ONE, priority=129)),
    "priorities-with-gaps": cluster(group(ONE, priority=2)),
    "an-empty-locality": cluster(group(**A), group(ONE, **B)),
    "one-locality-twice": cluster(group(ONE, **A), group(endpoint(port=2), **A)),
    "no-endpoints": cluster(),
    "a-name": cluster(group(endpoint(address="pages.example"))),
    "another-kind-of-address": cluster(group(endpoint(address="::1"))),
    "a-name-to-be-resolved": cluster(group(endpoint(address="pages.example")), type="STRICT_DNS"),
    "two-logical-names": cluster(group(ONE, HUGE), type="LOGICAL_DNS"),
    "no-logical-name": cluster(type="LOGICAL_DNS"),
    "an-original-with-endpoints": cluster(group(ONE), type="ORIGINAL_DST", **PROVIDED),
    "an-original-in-turn": cluster(type="ORIGINAL_DST"),
    "an-original-at-random": cluster(type="ORIGINAL_DST", lb_policy="RANDOM"),
    "an-original": cluster(type="ORIGINAL_DST", **PROVIDED),
    "an-original-by-another-header": cluster(
        type="ORIGINAL_DST", original_dst_lb_config={"http_header_name": "x"}, **PROVIDED
    ),
    "endpoints-that-choose-themselves": cluster(group(ONE), **PROVIDED),
    "an-original-in-subsets": cluster(
        type="ORIGINAL_DST", lb_subset_config=SUBSETS, **PROVIDED
    ),
    "clusters-in-turn": cluster(
        cluster_type={
            "name": "envoy.clusters.aggregate",
            "typed_config": {"@type": AGGREGATE, "clusters": ["b"]},
        }
    ),
    "clusters-of-nothing": cluster(
        cluster_type={
            "name": "envoy.clusters.aggregate",
            "typed_config": {"@type": AGGREGATE},
        },
        **PROVIDED,
    ),
    "a-check-without-a-path": checked(http_health_check={"path": ""}),
    "a-check-of-a-strange-status": checked(
        http_health_check={"path": "/", "expected_statuses": [{"start": 9, "end": 200}]}
    ),
    "a-check-of-no-status": checked(
        http_health_check={"path": "/", "retriable_statuses": [{"start": 200, "end": 200}]}
    ),
    "a-check-by-grpc": checked(grpc_health_check={}),
    "a-check-of-no-bytes": checked(tcp_health_check={"receive": [{"text": "zz"}]}),
    "keys-for-no-reason": cluster(
        group(ONE),
        lb_subset_config={"subset_selectors": [{"keys": ["a"], "fallback_keys_subset": ["a"]}]},
    ),
    "no-keys-for-a-subset": cluster(group(ONE), lb_subset_config={"subset_selectors": [{}]}),
}  # fmt: skip


def refusal(static: dict[str, Any], folder: Path) -> str:
    """Return what the real Envoy says of a cluster; empty: it takes it."""
    config = folder / "bootstrap.json"
    config.write_text(json.dumps({"static_resources": {"clusters": [static]}}))
    command = [str(locate_binary()), "--mode", "validate", "-c", str(config), "-l", "error"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_same_clusters_are_refused(name: str, tmp_path: Path) -> None:
    static = CLUSTERS[name]
    said = refusal(static, tmp_path)
    try:
        load({"static_resources": {"clusters": [static]}})
    except Rejected as refused:
        # Ours names the field first; a rule of the schema is told by its own name.
        reason = refused.reasons[0].rpartition(": ")[2]
        assert reason in said or reason.removesuffix(".") in said, said
    else:
        assert not said
