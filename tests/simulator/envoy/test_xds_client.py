"""A proxy's xDS client, fed by the control plane's own machine or by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.envoy.xds_client import Client
from simulator.envoy_api import Resources, parse
from simulator.envoy_api.discovery import KINDS, Request, Response
from simulator.istiod.discovery import Session, Sync

_FORMS = {
    "clusters": "envoy.config.cluster.v3.Cluster",
    "endpoints": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": "envoy.config.listener.v3.Listener",
    "routes": "envoy.config.route.v3.RouteConfiguration",
}


def eds(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {"ads": {}}},
        **more,
    }


def endpoints(name: str, address: str = "10.0.0.1") -> dict[str, Any]:
    socket = {"socket_address": {"address": address, "port_value": 80}}
    return {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}],
    }


def listener(name: str, route: str, port: int = 80) -> dict[str, Any]:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "rds": {"route_config_name": route, "config_source": {"ads": {}}},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def routes(name: str, cluster: str) -> dict[str, Any]:
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}],
    }
    return {"name": name, "virtual_hosts": [host]}


def world(**kinds: list[dict[str, Any]]) -> Resources:
    return Resources(**{
        kind: tuple(parse(one, _FORMS[kind]) for one in found) for kind, found in kinds.items()
    })  # fmt: skip


def response(kind: str, *found: Mapping[str, Any], version: str = "1") -> Response:
    messages = tuple(parse(one, _FORMS[kind]) for one in found)
    return Response(kind=kind, version=version, nonce=f"{kind}/{version}", resources=messages)


def shape(requests: tuple[Request, ...]) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(KINDS[each.type_url], each.names, each.error is not None) for each in requests]


def converse(session: Session, client: Client, requests: tuple[Request, ...]) -> None:
    """Carry what both say to and fro until neither has more to say."""
    pending = list(requests)
    while pending:
        for sent in session.on_request(pending.pop(0)):
            pending += client.on_response(sent)


def push(session: Session, client: Client, resources: Resources, version: str) -> None:
    for sent in session.push(resources, version):
        converse(session, client, client.on_response(sent))


BEFORE = world(
    clusters=[eds("a")],
    endpoints=[endpoints("a")],
    listeners=[listener("in", "80")],
    routes=[routes("80", "a")],
)
AFTER = world(
    clusters=[eds("a"), eds("b")],
    endpoints=[endpoints("a"), endpoints("b")],
    listeners=[listener("in", "80"), listener("more", "81", 81)],
    routes=[routes("80", "b"), routes("81", "a")],
)


def test_a_client_comes_to_hold_all_that_is_sent() -> None:
    session, client = Session(BEFORE, "1"), Client()
    converse(session, client, client.connect())
    assert client.resources == BEFORE
    push(session, client, AFTER, "2")
    assert client.resources == AFTER
    assert client.warming == ()
    assert {each.sync for kind, each in session.status().items() if kind != "secrets"} == {
        Sync.SYNCED
    }


def test_what_is_removed_is_gone() -> None:
    session, client = Session(AFTER, "1"), Client()
    converse(session, client, client.connect())
    push(session, client, BEFORE, "2")
    assert client.resources == BEFORE


def test_a_new_stream_begins_with_all_names() -> None:
    session, client = Session(BEFORE, "1"), Client()
    converse(session, client, client.connect())
    again = client.connect()
    assert shape(again) == [
        ("clusters", (), False),
        ("endpoints", ("a",), False),
        ("listeners", (), False),
        ("routes", ("80",), False),
    ]
    assert {(each.version, each.nonce) for each in again} == {("1", "")}
    converse(Session(AFTER, "7"), client, again)
    assert client.resources == AFTER


def test_a_cluster_warms_until_its_endpoints_come() -> None:
    client = Client()
    client.connect()
    asked = client.on_response(response("clusters", eds("a"), {"name": "static"}))
    assert shape(asked) == [("clusters", (), False), ("endpoints", ("a",), False)]
    assert sorted(client.config.clusters) == ["static"]
    assert client.warming == ("a",)
    client.on_response(response("endpoints", endpoints("a")))
    assert sorted(client.config.clusters) == ["a", "static"]


def test_a_changed_cluster_is_in_force_once_it_is_warm() -> None:
    client = Client()
    client.connect()
    client.on_response(response("clusters", eds("a", connect_timeout="1s")))
    client.on_response(response("endpoints", endpoints("a")))
    changed = response("clusters", eds("a", connect_timeout="2s"), version="2")
    assert shape(client.on_response(changed))[1] == ("endpoints", ("a",), False), "asked anew"
    assert client.config.clusters["a"].connect_timeout_ns == 1_000_000_000
    client.on_response(response("endpoints", endpoints("a"), version="2"))
    assert client.config.clusters["a"].connect_timeout_ns == 2_000_000_000


def test_a_listener_warms_until_its_routes_come() -> None:
    client = Client()
    client.connect()
    asked = client.on_response(response("listeners", listener("in", "80")))
    assert shape(asked) == [("listeners", (), False), ("routes", ("80",), False)]
    assert client.config.listeners == {}
    client.on_response(response("routes", routes("80", "a")))
    assert sorted(client.config.listeners) == ["in"]


def test_routes_are_in_force_before_the_cluster_that_they_name() -> None:
    client = Client()
    converse(Session(BEFORE, "1"), client, client.connect())
    client.on_response(response("clusters", eds("a"), eds("b"), version="2"))
    client.on_response(response("routes", routes("80", "b"), version="2"))
    assert "b" not in client.config.clusters
    assert "b" in client.warming


@pytest.mark.parametrize(
    ("kind", "given", "refused", "held"),
    [
        pytest.param(
            "clusters",
            [eds("a"), {"name": "bad", "connect_timeout": "0s"}, {"name": "good"}],
            "bad",
            ["a", "good"],
            id="cluster",
        ),
        pytest.param(
            "listeners",
            [{**listener("in", "80"), "address": {}}, listener("good", "80", 81)],
            "in",
            ["good", "in"],
            id="listener",
        ),
        pytest.param("routes", [{"name": "80", "virtual_hosts": [{}]}], "80", ["80"], id="routes"),
    ],
)
def test_what_is_refused_stays_as_it_was(
    kind: str, given: list[dict[str, Any]], refused: str, held: list[str]
) -> None:
    client = Client()
    converse(Session(BEFORE, "1"), client, client.connect())
    before = client.resources.by_kind()[kind]
    answer = client.on_response(response(kind, *given, version="2"))[0]
    assert answer.error is not None
    assert refused in answer.error
    assert answer.version == "1", "a NACK names the version that is held"
    now = client.resources.by_kind()[kind]
    assert [each.name for each in now] == held
    assert [each for each in now if each.name in {one.name for one in before}] == list(before)
