from __future__ import annotations

from typing import Any

from simulator.envoy.commands import Attempt, Response
from simulator.envoy.compile import compile as compile_resources
from simulator.envoy.connection import Connection
from simulator.envoy.listener import Miss
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy_api import Resources, parse
from tests.simulator.envoy.playing import MS, play, scripted, streamed
from tests.simulator.envoy.real import http_listener

REQUEST = Request(method="GET", authority="reviews", path="/")
TABLE = {
    "name": "r",
    "validate_clusters": False,
    "virtual_hosts": [
        {
            "name": "vh",
            "domains": ["*"],
            "routes": [
                {
                    "match": {"prefix": "/"},
                    "route": {
                        "cluster": "live",
                        "retry_policy": {"retry_on": "5xx", "num_retries": 1},
                    },
                }
            ],
        }
    ],
}


def resources(*ports: int, clusters: bool = True, **cluster: Any) -> Resources:
    """Return one listener and one EDS cluster of loopback ports."""
    config = {"name": "live", "type": "EDS", "eds_cluster_config": {}, **cluster}
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    assignment = {"cluster_name": "live", "endpoints": [{"lb_endpoints": endpoints}]}
    return Resources(
        listeners=(parse(http_listener("main", TABLE, []), "envoy.config.listener.v3.Listener"),),
        clusters=(parse(config, "envoy.config.cluster.v3.Cluster"),) if clusters else (),
        endpoints=(parse(assignment, "envoy.config.endpoint.v3.ClusterLoadAssignment"),),
    )


def port_of_next(one: Proxy) -> int:
    return play(streamed(one, REQUEST), scripted("200")).attempts[0].endpoint.port


def test_turns_go_on_over_an_endpoint_update() -> None:
    one = Proxy(compile_resources(resources(1, 2, 3)), "p")
    assert [port_of_next(one) for _ in range(2)] == [1, 2]

    one.update(compile_resources(resources(1, 2, 3, 4)))

    assert [port_of_next(one) for _ in range(3)] == [3, 4, 1]


def test_hosts_that_stay_keep_what_is_under_way() -> None:
    one = Proxy(compile_resources(resources(1, 2)), "p")
    stream = streamed(one, REQUEST)
    assert isinstance(stream.start(0), Attempt)

    one.update(compile_resources(resources(2, 1)))

    hosts = one.upstreams["live"].hosts
    assert {key: host.active for key, host in hosts.items()} == {
        "127.0.0.1:1": 1,
        "127.0.0.1:2": 0,
    }
    stream.on_response(MS, Response(status=200))
    assert hosts["127.0.0.1:1"].active == 0


def test_a_cluster_that_changes_starts_anew() -> None:
    one = Proxy(compile_resources(resources(1, 2)), "p")
    assert port_of_next(one) == 1

    one.update(compile_resources(resources(1, 2, connect_timeout="9s")))

    assert port_of_next(one) == 1


def test_a_retry_finds_its_cluster_removed() -> None:
    one = Proxy(compile_resources(resources(1)), "p")
    stream = streamed(one, REQUEST)
    stream.start(0)
    stream.on_response(MS, Response(status=503))

    one.update(compile_resources(resources(clusters=False)))
    stream.resume(2 * MS)

    assert stream.record().flags == ("UH",)
    assert stream.record().details == "no_healthy_upstream"


def test_a_connection_to_nowhere_is_missed() -> None:
    one = Proxy(compile_resources(resources(1)), "p")

    assert isinstance(one.accept(Connection(address="10.1.1.1", port=4)), Miss)
