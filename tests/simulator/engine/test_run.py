"""What a run's rows say, on a mesh where every number can be counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from simulator.engine.run import host_of
from simulator.engine.summary import counts, percentile, shares
from simulator.scenario import Run
from tests.support.mesh import deployment, istio, scenario, service

MS = 1_000_000


@pytest.fixture(scope="module")
def run() -> Run:
    """One user, 25 requests of 40 ms each second, every fifth of which fails."""
    gateway = {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["a.example"]}
        ],
    }
    rule = {
        "hosts": ["a.example"],
        "gateways": ["a"],
        "http": [{"retries": {"attempts": 0}, "route": [{"destination": {"host": "a"}}]}],
    }
    return scenario(
        service("a"),
        deployment("a", "a", version="v1"),
        istio("Gateway", "a", gateway),
        istio("VirtualService", "a", rule),
        title="Counted",
        workloads={
            "a": {"script": [{"latency": "16ms"}] * 4 + [{"status": 503, "latency": "16ms"}]}
        },
        network={"latency": "1ms"},
        clients=[{"name": "web", "url": "http://a.example/", "users": 1, "think": "20ms"}],
        duration="2s",
    ).run()


def test_every_request_ends_just_once(run: Run) -> None:
    assert sorted(run.requests["request"].tolist()) == list(range(50))
    first, *others = run.requests["duration_ns"].tolist()
    # The first one waits for a connection with TLS: two journeys there and back.
    assert first == 24 * MS
    assert set(others) == {20 * MS}


def test_every_request_passes_both_proxies_once(run: Run) -> None:
    numbers, times = np.unique(run.hops["request"], return_counts=True)

    assert numbers.tolist() == list(range(50))
    assert (times == 2).all()


def test_the_clients_figures(run: Run) -> None:
    (web,) = run.summary.clients

    assert (web.figures.requests, web.figures.rate, web.figures.success_share) == (50, 25.0, 0.8)
    assert (web.figures.p50_ns, web.figures.p99_ns) == (20 * MS, 24 * MS)
    assert web.statuses == {"200": 40, "503": 10}
    assert web.versions == {"v1": 1.0}


def test_the_services_figures(run: Run) -> None:
    (a,) = run.summary.services

    assert (a.host, a.attempts) == ("a.default.svc.cluster.local", 50)
    assert (a.figures.success_share, a.figures.p50_ns) == (0.8, 18 * MS)


def test_the_edges_lead_from_the_client_through_the_gateway(run: Run) -> None:
    gateway = "istio-ingressgateway.istio-system"
    edges = [(edge.source, edge.destination, edge.version) for edge in run.summary.edges]

    assert edges == [("web", gateway, ""), (gateway, "a.default", "v1")]


def test_the_course_second_by_second(run: Run) -> None:
    course = {one.name: one for one in run.series}["web"]

    assert course.rate == (25.0, 25.0)
    assert course.success_share == (0.8, 0.8)
    assert course.p50_ns == (20 * MS, 20 * MS)
    assert course.shares == {"v1": (1.0, 1.0)}


def test_the_course_of_a_long_run_takes_longer_steps() -> None:
    long = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        clients=[{"name": "c", "from": "client.default", "url": "http://a:9080/", "rate": 0.01}],
        duration="100m",
    ).run()
    course = long.series[0]

    assert (course.step_ns, len(course.rate)) == (6_000_000_000, 1000)
    assert sum(course.rate) * 6 == pytest.approx(len(long.requests), rel=1e-4)


def test_the_document_says_what_reproduces_it(run: Run) -> None:
    document = json.loads(run.to_json())

    assert document["schema"] == "run.v1"
    assert (document["title"], document["seed"]) == ("Counted", 1)
    assert document["digest"] == run.digest
    assert document["version"] == run.version


def test_a_run_without_requests_has_no_latency() -> None:
    empty = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        clients=[
            {
                "name": "late",
                "from": "client.default",
                "url": "http://a:9080/",
                "rate": 1,
                "start": "5s",
            }
        ],
        duration="1s",
    ).run()
    (late,) = empty.summary.clients

    assert (late.figures.requests, late.figures.success_share, late.figures.p50_ns) == (
        0,
        None,
        None,
    )
    assert empty.series[0].rate == (0.0,)
    assert json.loads(empty.to_json())["summary"]["services"] == []


@pytest.mark.parametrize(
    ("share", "value"),
    [
        pytest.param(0.5, 50, id="the median of a hundred is the fiftieth"),
        pytest.param(0.99, 99, id="99 of a hundred do not exceed the 99th"),
        pytest.param(1.0, 100, id="none exceeds the last"),
    ],
)
def test_percentiles_are_nearest_ranks(share: float, value: int) -> None:
    assert percentile(np.arange(1, 101), share) == value


def test_labels_without_a_name_are_left_out() -> None:
    labels = np.array([0, 1, 1, -1])

    assert shares(labels, ["b", "a"]) == {"a": 0.666667, "b": 0.333333}
    assert counts(np.array([0, 1, 1, -1]), ["", "UT"]) == {"UT": 2}


@pytest.mark.parametrize(
    ("cluster", "host"),
    [
        ("outbound|9080|v1|reviews.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
        ("PassthroughCluster", "PassthroughCluster"),
        ("inbound|9080||", "inbound|9080||"),
    ],
)
def test_the_service_in_a_clusters_name(cluster: str, host: str) -> None:
    assert host_of(cluster) == host


def test_a_hop_knows_who_caused_it_and_what_it_waited_for() -> None:
    seen = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        workloads={"a": {"latency": "10ms", "concurrency": 1}},
        network={"latency": "1ms"},
        clients=[
            {
                "name": "c",
                "from": "client.default",
                "url": "http://a:9080/",
                "users": 2,
                "think": "1m",
            }
        ],
        duration="1s",
    ).run()
    first, second = (np.sort(seen.hops[seen.hops["request"] == n], order="span") for n in (0, 1))

    assert [rows["parent"].tolist() for rows in (first, second)] == [[-1, 0], [-1, 0]]
    assert [rows["sent_ns"].tolist() for rows in (first, second)] == [[4 * MS, 0]] * 2
    assert first["waited_ns"].tolist() == [0, 0]
    assert second["waited_ns"].tolist() == [0, 10 * MS]


def test_a_hop_knows_when_its_last_attempt_was_sent() -> None:
    rule = {
        "hosts": ["a"],
        "http": [
            {
                "retries": {"attempts": 1, "retryOn": "5xx"},
                "route": [{"destination": {"host": "a"}}],
            }
        ],
    }
    seen = scenario(
        service("a"),
        deployment("a", "a"),
        deployment("client", "client"),
        istio("VirtualService", "a", rule),
        workloads={"a": {"script": [{"status": 503, "latency": "5ms"}, {"latency": "5ms"}]}},
        network={"latency": "1ms"},
        clients=[
            {
                "name": "c",
                "from": "client.default",
                "url": "http://a:9080/",
                "users": 1,
                "think": "1m",
            }
        ],
        duration="1s",
    ).run()
    outbound = seen.hops[seen.hops["parent"] == -1]
    (sent_ns,), (waited_ns,) = outbound["sent_ns"].tolist(), outbound["waited_ns"].tolist()

    assert outbound["attempts"].tolist() == [2]
    # A connection in 4 ms, a first attempt of 7 ms, then the back-off, of at most 25 ms.
    assert 0 < waited_ns < 25 * MS
    assert sent_ns == (4 + 7) * MS + waited_ns
