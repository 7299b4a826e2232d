"""Configuration that is meant to hurt: it is refused, or its cost is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy.balance import Balancer, Context, SubsetBalancer
from simulator.envoy.cluster import Cluster, Discovery, Endpoint, Hashing, Policy
from simulator.envoy.compile import Rejected, compile_cluster, compile_route_table
from simulator.envoy.draws import Listed
from simulator.envoy.request import Request
from simulator.envoy.route import NoRoute, find
from simulator.envoy.subset_config import Selector, SubsetConfig
from simulator.envoy.upstream import Upstream
from simulator.envoy_api import parse
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import http_listener


def table(*routes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": list(routes)}]}


def to(match: dict[str, Any], **action: Any) -> dict[str, Any]:
    return {"match": match, "route": {"cluster": "live", **action}}


def compiled(value: dict[str, Any]) -> Any:
    return compile_route_table(parse(value, "envoy.config.route.v3.RouteConfiguration"))


def test_a_regex_bomb_takes_no_longer_than_its_text() -> None:
    routes = compiled(table(to({"safe_regex": {"regex": "/(a+)+b"}})))
    request = Request(method="GET", authority="a", path="/" + "a" * 60_000)

    # An engine that tries every way would not end before the sun does.
    assert isinstance(find(routes, request, 0), NoRoute)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param(
            to({"safe_regex": {"regex": "((a{1000}){1000}){1000}"}}),
            "too large|repetition",
            id="regex-too-large",
        ),
        pytest.param(
            {
                "match": {"prefix": "/"},
                "route": {"weighted_clusters": {"clusters": [{"name": "live", "weight": 0}]}},
            },
            "greater than 0",
            id="no-weight-at-all",
        ),
        pytest.param(
            to({"prefix": "/"}, retry_policy={"retry_back_off": {"base_interval": "0s"}}),
            "BaseInterval",
            id="no-back-off",
        ),
    ],
)
def test_what_is_refused(value: dict[str, Any], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        compiled(table(value))


def test_a_billion_retries_end_with_the_time_out() -> None:
    policy = {
        "retry_on": "5xx",
        "num_retries": 1_000_000_000,
        "retry_back_off": {"base_interval": "0.000000001s"},
    }
    route = to({"prefix": "/"}, retry_policy=policy, timeout="1s")
    one = proxy(http_listener("main", table(route), []), [cluster("live", 8001)])

    request = Request(method="GET", authority="a", path="/")
    played = play(streamed(one, request), scripted("503"))

    # A millisecond is the shortest answer and the shortest back-off.
    assert played.status == 504
    assert len(played.attempts) <= 1001


def test_many_routes_are_tried_once_each() -> None:
    routes = compiled(table(*(to({"path": f"/{number}"}) for number in range(5000))))

    assert find(routes, Request(method="GET", authority="a", path="/4999"), 0) is not None
    assert isinstance(find(routes, Request(method="GET", authority="a", path="/x"), 0), NoRoute)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        pytest.param(
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 8_388_609}},
            "MinimumRingSize",
            id="a-ring-too-large",
        ),
        pytest.param(
            {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 4_000_000}},
            "prime",
            id="a-table-that-is-not-prime",
        ),
    ],
)
def test_clusters_that_are_refused(config: dict[str, Any], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        compile_cluster(parse({"name": "c", **config}, "envoy.config.cluster.v3.Cluster"))


def test_a_ring_holds_no_more_than_its_largest_size() -> None:
    hosts = tuple(
        Endpoint(address=f"10.0.0.{n}", port=1, weight=1 if n else 1_000_000) for n in range(9)
    )
    hashing = Hashing(minimum_ring_size=1024, maximum_ring_size=2048)
    upstream = Upstream(
        Cluster(name="c", lb_policy=Policy.RING_HASH, endpoints=hosts, hashing=hashing)
    )

    assert isinstance(upstream.balancer, Balancer)
    ring: Any = upstream.balancer.table(0)

    # Running sums of fractions may make one point more, as in Envoy.
    assert len(ring.points) <= 2049
    assert ring.find(Listed().stream, 0) is not None


def test_a_subset_is_made_only_when_it_is_asked_for() -> None:
    hosts = tuple(
        Endpoint(
            address=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}",
            port=1,
            metadata={"filter_metadata": {"envoy.lb": {"number": str(n)}}},
        )
        for n in range(50_000)
    )
    subsets = SubsetConfig(selectors=(Selector(keys=("number",)),))
    upstream = Upstream(Cluster(name="c", endpoints=hosts, subsets=subsets))

    for n in (7, 49_999, 7):
        host = upstream.choose(Listed(), Context(metadata={"number": str(n)}))
        assert host is not None
        assert host.endpoint is hosts[n]
    assert upstream.choose(Listed(), Context(metadata={"number": "50000"})) is None

    assert isinstance(upstream.balancer, SubsetBalancer)
    assert upstream.balancer.made == 2


def test_clusters_of_themselves_have_no_endpoints() -> None:
    whole = {"type": Discovery.AGGREGATE, "lb_policy": Policy.CLUSTER_PROVIDED}
    upstreams: dict[str, Upstream] = {}
    for name, members in (("a", ("b", "a")), ("b", ("a",))):
        one = Cluster(name=name, members=members, **whole)  # type: ignore[arg-type]
        upstreams[name] = Upstream(one, upstreams=upstreams)

    assert upstreams["a"].choose(Listed(), Context()) is None
