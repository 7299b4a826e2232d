"""A comparison finds every field that differs, and names it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandbox.fidelity.compare import compare
from simulator.observe.observation import Hop, Observation, Upstream, of_hops

OUT = Hop(
    proxy="shop-0.default",
    direction="outbound",
    status=200,
    details="via_upstream",
    protocol="HTTP/1.1",
    route="everybody",
    virtual_host="reviews.default.svc.cluster.local:9080",
    cluster="outbound|9080||reviews.default.svc.cluster.local",
    upstream=Upstream(address="10.244.0.3:9080", pod="reviews-v1-0.default"),
    attempts=1,
    duration_ns=2_000_000,
    request_headers_upstream={"x-request-id": "1"},
)
IN = replace(OUT, proxy="reviews-v1-0.default", direction="inbound", route="default")


def seen(*hops: Hop, **client: Any) -> Observation:
    told = {"status": 200, "duration_ns": 3, "response_headers": {"server": "envoy"}, **client}
    return of_hops(hops, id="a", n=0, **told)


def fields(observed: Observation, simulated: Observation) -> list[str]:
    return [each.field for each in compare(observed, simulated)]


def test_the_same_does_not_differ() -> None:
    assert compare(seen(OUT, IN), seen(OUT, IN)) == ()


def test_times_are_not_compared() -> None:
    slower = replace(OUT, duration_ns=9_000_000)

    assert compare(seen(OUT, duration_ns=1), seen(slower, duration_ns=9)) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", 503),
        ("response_flags", ("UF",)),
        ("details", "no_healthy_upstream"),
        ("protocol", "HTTP/2"),
        ("route", "tester"),
        ("virtual_host", "allow_any"),
        ("cluster", "PassthroughCluster"),
        ("upstream", None),
        ("attempts", 2),
        ("request_headers_upstream", {"x-request-id": "2"}),
    ],
)
def test_a_field_of_a_hop_differs(name: str, value: Any) -> None:
    changed: dict[str, Any] = {name: value}
    other = replace(IN, **changed)

    assert fields(seen(OUT, IN), seen(OUT, other)) == [f"hops[1].{name}"]


@pytest.mark.parametrize(
    ("client", "wanted"),
    [
        pytest.param({"status": 503}, ["status"], id="status"),
        pytest.param({"error": "connection reset"}, ["error"], id="error"),
        pytest.param(
            {"response_headers": {"server": "istio-envoy"}},
            ["response_headers.server"],
            id="another-header",
        ),
        pytest.param(
            {"response_headers": {"server": "envoy", "x-lane": "blue"}},
            ["response_headers.x-lane"],
            id="one-header-more",
        ),
    ],
)
def test_what_the_client_saw_differs(client: dict[str, Any], wanted: list[str]) -> None:
    assert fields(seen(OUT, IN), seen(OUT, IN, **client)) == wanted


def test_another_way_is_one_difference() -> None:
    assert fields(seen(OUT, IN), seen(OUT)) == ["hops"]
