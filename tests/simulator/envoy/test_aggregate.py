"""Clusters made of others: what a learner is told, and what changes while they are used."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy.balance import Context, Pick
from simulator.envoy.cluster import Discovery
from simulator.envoy.compile import Rejected, compile_cluster
from simulator.envoy.draws import Listed
from simulator.envoy.proxy import Proxy
from simulator.envoy_api import parse
from tests.simulator.envoy.playing import cluster, proxy
from tests.simulator.envoy.test_aggregate_against_envoy import listener, whole

UNHEALTHY = {"health_status": "UNHEALTHY"}


def made(*members: dict[str, Any], names: tuple[str, ...] = ("near", "far")) -> Proxy:
    return proxy(listener(), [*members, whole("all", list(names), {})])


def down(one: dict[str, Any]) -> dict[str, Any]:
    for endpoint in one["load_assignment"]["endpoints"][0]["lb_endpoints"]:
        endpoint.update(UNHEALTHY)
    return one


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        pytest.param(made(cluster("near", 1), cluster("far", 2)),
                     "of near, number 1 of 2 priorities: it is its turn", id="the-first"),
        pytest.param(made(down(cluster("near", 1)), cluster("far", 2)),
                     "of far, number 2 of 2 priorities: it is its turn", id="the-second"),
        pytest.param(made(cluster("near"), cluster("far", 2)),
                     "of far, number 1 of 1 priorities: it is its turn", id="the-only-one"),
        pytest.param(made(cluster("near"), names=("near", "nobody")),
                     "none of its clusters has an endpoint", id="none"),
    ],
)  # fmt: skip
def test_the_reason_is_told(one: Proxy, reason: str) -> None:
    trail: list[Pick] = []
    context = Context()
    host = one.upstreams["all"].choose(Listed(), context, trail)

    assert (trail[-1].reason if host else context.missed) == reason


def test_hosts_stay_their_clusters() -> None:
    one = made(cluster("near", 1), cluster("far", 2))
    context = Context()
    host = one.upstreams["all"].choose(Listed(), context)

    assert context.owner is one.upstreams["near"]
    assert host in one.upstreams["near"].hosts.values()
    assert one.upstreams["all"].cluster.type is Discovery.AGGREGATE


def test_a_cluster_that_lets_others_choose_says_so() -> None:
    given = whole("all", ["near"], {"lb_policy": "ROUND_ROBIN"})
    with pytest.raises(Rejected, match="cluster provided LB not specified but cluster 'all'"):
        compile_cluster(parse(given, "envoy.config.cluster.v3.Cluster"))


def test_a_cluster_of_nothing_is_refused() -> None:
    given = whole("all", [], {})
    with pytest.raises(Rejected, match="at least 1 item"):
        compile_cluster(parse(given, "envoy.config.cluster.v3.Cluster"))
