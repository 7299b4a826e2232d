"""One connection inside a TCP proxy: where it goes and what the access log says."""

from __future__ import annotations

import pytest

from simulator.envoy.cluster import Cluster, Discovery, Endpoint
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Forced, Listed
from simulator.envoy.filters.lasting import Lasting
from simulator.envoy.network_filters import Connections
from simulator.envoy.session import Session
from simulator.envoy.tcp import TcpChain, TcpCluster
from simulator.envoy.upstream import Upstream
from simulator.observe.explain import FieldRef

CONNECTION = Connection(address="10.96.0.1", port=5432)
ENDPOINTS = (Endpoint(address="10.0.0.1", port=1), Endpoint(address="10.0.0.2", port=2))
CLUSTERS = (
    Cluster(name="one", endpoints=ENDPOINTS[:1]),
    Cluster(name="two", endpoints=ENDPOINTS),
    Cluster(name="empty"),
    Cluster(name="passthrough", type=Discovery.ORIGINAL_DST),
)


def session(
    *names: str, draws: Listed | None = None, forced: Forced | None = None, weight: int = 1
) -> Session:
    clusters = tuple(TcpCluster(name=name, weight=weight) for name in names)
    chain = TcpChain(field=FieldRef("listeners", "l"), stat_prefix="", clusters=clusters)
    upstreams = {one.name: Upstream(one) for one in CLUSTERS}
    return Session(
        chain,
        CONNECTION,
        draws or Listed(),
        upstreams=upstreams,
        connections=Connections(),
        lasting=Lasting(),
        forced=forced,
    )


@pytest.mark.parametrize(
    ("cluster", "key", "flags", "attempts"),
    [
        pytest.param("one", "10.0.0.1:1", (), 1, id="to-its-endpoint"),
        pytest.param("passthrough", "10.96.0.1:5432", (), 1, id="where-the-client-connected-to"),
        pytest.param("empty", None, ("UH",), 0, id="no-endpoint"),
        pytest.param("gone", None, ("NC",), 0, id="no-such-cluster"),
    ],
)
def test_a_connection_goes_where_its_cluster_says(
    cluster: str, key: str | None, flags: tuple[str, ...], attempts: int
) -> None:
    one = session(cluster)
    endpoint = one.start(0)
    record = one.record()

    assert (endpoint.key if endpoint else None) == key
    assert (record.cluster, record.endpoint) == (None if "NC" in flags else cluster, key)
    assert (record.flags, record.attempts, record.status) == (flags, attempts, None)


def test_weights_share_out_connections() -> None:
    chosen = []
    for drawn in range(4):
        one = session("one", "two", draws=Listed(values={"tcp cluster": [drawn]}), weight=2)
        one.start(0)
        chosen.append(one.record().cluster)

    assert chosen == ["one", "one", "two", "two"]


def test_a_refused_connection_is_not_tried_again() -> None:
    one = session("one")
    one.start(0)
    one.failure()

    assert one.record().flags == ("UF", "URX")


def test_active_connections_are_counted_until_they_end() -> None:
    upstream = Upstream(CLUSTERS[0])
    chain = TcpChain(
        field=FieldRef("listeners", "l"), stat_prefix="", clusters=(TcpCluster(name="one"),)
    )
    one = Session(
        chain,
        CONNECTION,
        Listed(),
        upstreams={"one": upstream},
        connections=Connections(),
        lasting=Lasting(),
    )
    one.start(0)
    during = upstream.hosts["10.0.0.1:1"].active
    one.end()

    assert (during, upstream.hosts["10.0.0.1:1"].active) == (1, 0)


def test_observed_choices_are_made_again() -> None:
    one = session("one", forced=Forced(cluster="two", endpoints=("10.0.0.2:2",)))
    endpoint = one.start(0)

    assert endpoint == ENDPOINTS[1]


def test_the_reasons_name_cluster_and_endpoint() -> None:
    one = session("one")
    one.start(0)

    assert [child.name for child in one.node.children] == ["one", "10.0.0.1:1"]
