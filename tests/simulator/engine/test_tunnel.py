"""What a proxy carries as bytes: no routes, no headers, no status of its own."""

from __future__ import annotations

from simulator.config.scenario import Request
from simulator.observe.observation import Observation
from simulator.scenario import Scenario
from tests.support.mesh import deployment, istio, scenario, service

MS = 1_000_000
CLIENT = deployment("client", "client")
TEAPOT = {
    "hosts": ["a"],
    "http": [
        {
            "fault": {"abort": {"percentage": {"value": 100}, "httpStatus": 418}},
            "route": [{"destination": {"host": "a"}}],
        }
    ],
}


def send(world: Scenario, url: str = "http://a:9080/") -> Observation:
    (seen,) = world.probe([Request.model_validate({"url": url, "from": "client.default"})])
    return seen


def test_a_port_named_tcp_knows_no_http_rules() -> None:
    world = scenario(
        service("a", port_name="tcp"),
        deployment("a", "a"),
        CLIENT,
        istio("VirtualService", "a", TEAPOT),
        network={"latency": "1ms"},
    )
    seen = send(world)

    assert (seen.status, seen.duration_ns) == (200, 2 * MS)
    assert [(hop.direction, hop.status, hop.protocol) for hop in seen.hops] == [
        ("outbound", None, None),
        ("inbound", None, None),
    ]
    assert seen.hops[0].cluster == "outbound|9080||a.default.svc.cluster.local"
    assert seen.upstream is not None
    assert seen.upstream.pod == "a-0.default"


def test_a_port_that_no_service_has_is_passed_through_and_refused() -> None:
    seen = send(scenario(service("a"), deployment("a", "a"), CLIENT), "http://a:1234/")

    assert seen.error == "connection closed by the peer before a response"
    assert (seen.cluster, seen.response_flags) == ("PassthroughCluster", ("UF", "URX"))


def test_a_connection_is_explained_as_far_as_it_went() -> None:
    world = scenario(service("a", port_name="tcp"), deployment("a", "a"), CLIENT)
    request = Request.model_validate({"url": "http://a:9080/", "from": "client.default"})
    (seen,) = world.probe([request], explain=True)
    assert seen.explain is not None
    (_, connection) = seen.explain.children[0].children

    assert [child.what for child in connection.children] == ["cluster", "endpoint"]


def test_an_observed_connection_is_repeated() -> None:
    world = scenario(service("a", port_name="tcp"), deployment("a", "a", replicas=4), CLIENT)
    request = Request.model_validate({"url": "http://a:9080/", "from": "client.default"})
    seen = world.probe([request.model_copy(update={"count": 5})], seed=9)

    assert [world.replay(request, one).hops for one in seen] == [one.hops for one in seen]


def test_a_sidecar_that_does_not_know_a_service_passes_it_through() -> None:
    sidecar = {"egress": [{"hosts": ["./client.default.svc.cluster.local"]}]}
    world = scenario(
        service("a"),
        service("client"),
        deployment("a", "a"),
        CLIENT,
        istio("Sidecar", "narrow", sidecar),
    )
    seen = send(world)

    assert (seen.status, seen.cluster) == (200, "PassthroughCluster")
    assert [hop.proxy for hop in seen.hops] == ["client-0.default", "a-0.default"]


def test_tunnels_of_a_run_are_counted() -> None:
    client = {"name": "c", "from": "client.default", "url": "http://a:9080/", "rate": 100}
    run = scenario(
        service("a", port_name="tcp"), deployment("a", "a"), CLIENT, clients=[client], duration="2s"
    ).run()
    (a,) = run.summary.services

    assert len(run.hops) == 2 * len(run.requests)
    assert a.host == "a.default.svc.cluster.local"
    assert (a.figures.success_share, a.versions) == (1.0, {"a.default": 1.0})
