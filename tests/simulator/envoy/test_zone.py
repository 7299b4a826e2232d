"""Zone-aware routing: how requests are led, and what a learner is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envoy.balance import Context, Home, Host, Pick
from simulator.envoy.balance.zone import Plan, plan
from simulator.envoy.bootstrap import load
from simulator.envoy.cluster import Cluster, Endpoint, Health, ZoneAware
from simulator.envoy.compile import Rejected
from simulator.envoy.draws import Listed
from simulator.envoy.upstream import Upstream
from tests.simulator.envoy.playing import cluster

ALL = ZoneAware(min_cluster_size=1)


def endpoints(zones: str) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            address=f"10.0.0.{at}",
            port=80,
            locality=f"r/{zone.lower()}",
            health=Health.UNHEALTHY if zone.isupper() else Health.HEALTHY,
        )
        for at, zone in enumerate(zones)
    )


def planned(hosts: str, peers: str, config: ZoneAware = ALL) -> Plan | None:
    home = Home("proxies", "r/a")
    home.update([Host(each) for each in endpoints(peers)])
    members = [Host(each) for each in endpoints(hosts)]
    return plan(config, home, members, [m for m in members if m.health is Health.HEALTHY])


@pytest.mark.parametrize(
    ("hosts", "peers", "want"),
    [
        pytest.param("ab", "ab", ("r/a r/b", 10_000, ()), id="as-many-as-at-home"),
        pytest.param("abb", "ab", ("r/a r/b", 6_666, (0, 1_666)), id="less-than-at-home"),
        pytest.param("bbc", "abc", ("r/b r/c", 0, (3_333, 3_333)), id="nothing-at-home"),
        pytest.param("abbcc", "abc", ("r/a r/b r/c", 6_000, (0, 667, 1_334)), id="two-others"),
        pytest.param("cba", "ab", ("r/a r/b r/c", 6_666, (0, 0, 3_333)), id="one-with-room"),
        pytest.param("Ab", "ab", ("r/a r/b", 0, (0, 5_000)), id="unhealthy-at-home"),
        pytest.param("aa", "ab", None, id="one-zone"),
        pytest.param("ab", "aa", None, id="one-zone-of-proxies"),
        pytest.param("ab", "bc", None, id="no-proxy-here"),
        pytest.param("", "ab", None, id="no-hosts"),
    ],
)
def test_a_plan(hosts: str, peers: str, want: tuple[str, int, Any] | None) -> None:
    found = planned(hosts, peers)
    assert (found and (" ".join(found.localities), found.local, found.residual)) == want


@pytest.mark.parametrize(
    ("hosts", "drawn", "reason"),
    [
        pytest.param("ab", [], "in the own locality: it is its turn", id="all"),
        pytest.param("abb", [0], "in the own locality, which 66.66 % stay in: it is its turn",
                     id="some"),
        pytest.param("abb", [9_999, 0], "in r/b, which has capacity left: it is its turn",
                     id="others"),
        pytest.param("aa", [], "it is its turn", id="no-zones"),
    ],
)  # fmt: skip
def test_the_reason_is_told(hosts: str, drawn: list[int], reason: str) -> None:
    home = Home("proxies", "r/a")
    home.update([Host(each) for each in endpoints("ab")])
    one = Upstream(Cluster(name="pages", endpoints=endpoints(hosts), zone_aware=ALL), home=home)
    trail: list[Pick] = []

    one.choose(Listed(values={"zone": drawn}), Context(), trail)

    assert [pick.reason for pick in trail] == [reason]


def test_a_change_of_the_proxies_changes_the_plan() -> None:
    home = Home("proxies", "r/a")
    peers = Upstream(Cluster(name="proxies", endpoints=endpoints("ab")), home=home)
    one = Upstream(Cluster(name="pages", endpoints=endpoints("abb"), zone_aware=ALL), home=home)
    draws = Listed(values={"zone": [9_999, 0]})
    host = one.choose(draws, Context())
    assert host is not None
    assert host.endpoint.locality == "r/b"

    peers.update(Cluster(name="proxies", endpoints=endpoints("abbb")))

    host = one.choose(Listed(values={"zone": [9_999, 0]}), Context())
    assert host is not None
    assert host.endpoint.locality == "r/a"


@given(st.text("abcABC", min_size=1, max_size=12), st.text("abc", min_size=1, max_size=6))
def test_shares_add_up(hosts: str, peers: str) -> None:
    found = planned(hosts, peers)
    if found is None:
        return
    assert 0 <= found.local <= 10_000
    assert list(found.residual) == sorted(found.residual)
    if found.local < 10_000:
        assert len(found.residual) == len(found.localities)


@pytest.mark.parametrize(
    ("name", "priority", "reason"),
    [
        pytest.param("nobody", 0, "local cluster 'nobody' must be defined", id="unknown"),
        pytest.param("proxies", 1, "Unexpected non-zero priority for local cluster 'proxies'",
                     id="priorities"),
    ],
)  # fmt: skip
def test_what_envoy_refuses(name: str, priority: int, reason: str) -> None:
    one = cluster("proxies", 1)
    one["load_assignment"]["endpoints"][0]["priority"] = priority
    manager = {"local_cluster_name": name}
    with pytest.raises(Rejected, match=reason):
        load({"cluster_manager": manager, "static_resources": {"clusters": [one]}})
