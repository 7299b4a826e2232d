"""The control plane's side of an xDS stream, played as requests against expected responses."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy_api import Resources, parse
from simulator.envoy_api.discovery import TYPE_URLS, Request, Response
from simulator.istiod.discovery import Session, Sync

CLUSTER = "envoy.config.cluster.v3.Cluster"
ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment"


def world(
    *clusters: str, timeout: str = "1s", listeners: tuple[str, ...] = (), weight: int = 1
) -> Resources:
    return Resources(
        clusters=tuple(parse({"name": c, "connect_timeout": timeout}, CLUSTER) for c in clusters),
        endpoints=tuple(
            parse(
                {"cluster_name": c, "policy": {"overprovisioning_factor": 100 + weight}}, ENDPOINTS
            )
            for c in clusters
        ),
        listeners=tuple(
            parse({"name": name}, "envoy.config.listener.v3.Listener") for name in listeners
        ),
        routes=tuple(
            parse({"name": name}, "envoy.config.route.v3.RouteConfiguration") for name in listeners
        ),
    )


def ask(kind: str, *names: str, nonce: str = "", error: str | None = None) -> Request:
    return Request(type_url=TYPE_URLS[kind], nonce=nonce, names=names, error=error)


def shape(responses: tuple[Response, ...]) -> list[tuple[str, str, str, list[Any]]]:
    return [
        (
            each.kind,
            each.version,
            each.nonce,
            [getattr(r, "cluster_name", None) or getattr(r, "name", None) for r in each.resources],
        )
        for each in responses
    ]


EDS_ACKED = [
    (ask("endpoints", "a", "b"), [("endpoints", "1", "1/1", ["a", "b"])]),
    (ask("endpoints", "a", "b", nonce="1/1"), []),
]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            [(ask("clusters"), [("clusters", "1", "1/1", ["a", "b"])])],
            id="clusters-are-sent-without-names",
        ),
        pytest.param(EDS_ACKED, id="an-ack-gets-no-response"),
        pytest.param(
            [
                *EDS_ACKED,
                (ask("endpoints", "a", "b", nonce="1/1"), [("endpoints", "1", "1/2", ["a", "b"])]),
                (ask("endpoints", "a", "b", nonce="1/2"), []),
            ],
            id="a-second-request-with-an-acked-nonce-is-answered-again",
        ),
        pytest.param(
            [
                (ask("endpoints", "a"), [("endpoints", "1", "1/1", ["a"])]),
                (ask("endpoints", "a", "b", nonce="1/1"), [("endpoints", "1", "1/2", ["a", "b"])]),
            ],
            id="an-ack-with-a-new-name-asks-for-it",
        ),
        pytest.param(
            [
                (ask("endpoints", "a"), [("endpoints", "1", "1/1", ["a"])]),
                (ask("endpoints", "a", "b"), []),
                (ask("endpoints", "a", nonce="0/9"), []),
            ],
            id="stale-nonces-are-ignored",
        ),
        pytest.param(
            [
                (ask("endpoints", "a"), [("endpoints", "1", "1/1", ["a"])]),
                (ask("endpoints", "a", nonce="1/1", error="bad"), []),
            ],
            id="a-nack-is-not-answered",
        ),
        pytest.param(
            [
                (ask("endpoints", "nobody"), []),
                (ask("endpoints", "a"), [("endpoints", "1", "1/1", ["a"])]),
            ],
            id="an-unknown-name-waits-and-a-known-one-is-sent",
        ),
        pytest.param(
            [*EDS_ACKED, (ask("endpoints", nonce="1/1"), [])],
            id="an-emptied-subscription-gets-nothing",
        ),
    ],
)
def test_requests(steps: list[tuple[Request, list[Any]]]) -> None:
    session = Session(world("a", "b"), "1")

    assert [shape(session.on_request(request)) for request, _ in steps] == [
        wanted for _, wanted in steps
    ]


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        pytest.param(world("a", "b", listeners=("l",)), [], id="nothing-changed"),
        pytest.param(
            world("a", "b", "c", listeners=("l",)),
            [("clusters", "2", "2/5", ["a", "b", "c"])],
            id="a-new-cluster-sends-all-clusters-and-waits-for-the-endpoints-to-be-asked-for",
        ),
        pytest.param(
            world("a", "b", weight=2, listeners=("l",)),
            [("endpoints", "2", "2/5", ["a", "b"])],
            id="endpoints-alone",
        ),
        pytest.param(
            world("a", timeout="2s", weight=2, listeners=("l", "m")),
            [
                ("clusters", "2", "2/5", ["a"]),
                ("endpoints", "2", "2/6", ["a"]),
                ("listeners", "2", "2/7", ["l", "m"]),
            ],
            id="clusters-then-endpoints-then-listeners",
        ),
    ],
)
def test_push_sends_what_changed_in_order(after: Resources, wanted: list[Any]) -> None:
    session = Session(world("a", "b", listeners=("l",)), "1")
    for kind, names in (
        ("listeners", ()),
        ("clusters", ()),
        ("endpoints", ("a", "b")),
        ("routes", ("l",)),
    ):
        session.on_request(ask(kind, *names))

    assert shape(session.push(after, "2")) == wanted


def test_status_tells_synced_from_stale_and_refused() -> None:
    session = Session(world("a", listeners=("l",)), "1")
    session.on_request(ask("clusters"))
    session.on_request(ask("clusters", nonce="1/1"))
    session.on_request(ask("endpoints", "a"))
    session.on_request(ask("listeners"))
    session.on_request(ask("listeners", nonce="1/3", error="no such filter"))

    status = session.status()

    assert {kind: each.sync for kind, each in status.items()} == {
        "clusters": Sync.SYNCED,
        "endpoints": Sync.STALE,
        "listeners": Sync.ERROR,
        "routes": Sync.NOT_SENT,
        "secrets": Sync.NOT_SENT,
    }
    assert status["listeners"].error == "no such filter"
    assert status["listeners"].accepted_version == ""


def test_an_accepted_push_ends_an_error() -> None:
    session = Session(world("a", listeners=("l",)), "1")
    session.on_request(ask("listeners"))
    session.on_request(ask("listeners", nonce="1/1", error="no such filter"))
    session.push(world("a", listeners=("m",)), "2")
    session.on_request(ask("listeners", nonce="2/2"))

    status = session.status()["listeners"]

    assert (status.sync, status.accepted_version, status.rejections) == (Sync.SYNCED, "2", 1)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="does not serve"):
        Session(world("a"), "1").on_request(Request(type_url="type.googleapis.com/x.Y"))
