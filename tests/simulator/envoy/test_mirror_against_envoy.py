"""Copies of requests: what the simulated proxy sends beside them, and what the real Envoy does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from simulator.envoy.commands import Attempt
from simulator.envoy.draws import Listed
from simulator.envoy.filters.router_config import RouterConfig
from simulator.envoy.request import Request
from tests.simulator.envoy.comparing import OWN_ADDRESS, Case, World, check, routes, simulate, world
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Backend, http_listener

pytestmark = pytest.mark.envoy

VOLATILE = {"x-request-id", "content-length"}


def mirrored(*policies: dict[str, Any], to: str = "live", **action: Any) -> dict[str, Any]:
    """Return a route that sends copies."""
    return {"route": {"cluster": to, "request_mirror_policies": policies, **action}}


def share(numerator: int) -> dict[str, Any]:
    return {"cluster": "mirror", "runtime_fraction": {"default_value": {"numerator": numerator}}}


def with_header(name: str, value: str) -> dict[str, Any]:
    return {"append": {"header": {"key": name, "value": value}}}


MIRROR = {"cluster": "mirror"}
CASES = [
    Case("no-policy", route={"route": {"cluster": "live"}}),
    Case("a-copy", route=mirrored(MIRROR, timeout="2s")),
    Case("a-copy-of-any-length", route=mirrored(MIRROR, timeout="0s")),
    Case("host-with-a-port", route=mirrored(MIRROR), host="test:8080"),
    Case(
        "host-as-it-is",
        route=mirrored({**MIRROR, "disable_shadow_host_suffix_append": True}),
    ),
    Case("another-host", route=mirrored({**MIRROR, "host_rewrite_literal": "other:80"})),
    Case(
        "other-headers",
        route={
            **mirrored(
                {
                    **MIRROR,
                    "request_headers_mutations": [
                        with_header("x-copied", "%REQ(:METHOD)%"),
                        {"remove": "x-mine"},
                    ],
                }
            ),
            "request_headers_to_add": [{"header": {"key": "x-mine", "value": "1"}}],
        },
    ),
    Case("rewritten", route=mirrored(MIRROR, prefix_rewrite="/new", host_rewrite_literal="h")),
    Case("by-header", route=mirrored({"cluster_header": "x-to"}), headers=(("x-to", "mirror"),)),
    Case("by-an-absent-header", route=mirrored({"cluster_header": "x-to"})),
    Case("to-no-cluster", route=mirrored({"cluster": "nowhere"})),
    Case("two", route=mirrored(MIRROR, {**MIRROR, "host_rewrite_literal": "second"})),
    Case("none-of-a-hundred", route=mirrored(share(0))),
    Case("all-of-a-hundred", route=mirrored(share(100))),
    Case(
        "forwarded-for",
        route=mirrored(MIRROR),
        headers=(("x-forwarded-for", "1.2.3.4, 5.6.7.8"),),
    ),
    Case("not-where-no-host-is", route=mirrored(MIRROR, to="empty")),
    Case("though-a-breaker-refuses", route=mirrored(MIRROR, to="full")),
    Case(
        "once-for-all-attempts",
        route=mirrored(
            MIRROR,
            retry_policy={
                "retry_on": "5xx",
                "num_retries": 2,
                "retry_back_off": {"base_interval": "0.001s"},
            },
        ),
        script="503",
    ),
    Case("not-for-a-direct-response", route={"direct_response": {"status": 200}}),
    Case("a-copy-that-fails", route=mirrored({"cluster": "full"})),
]


@dataclass
class Mirrored:
    """What the real Envoy did, and what its mirror got."""

    world: World
    mirror: Backend

    def copies(self, case: str, count: int) -> list[dict[str, Any]]:
        """Return what the mirror got of a case, once so many copies are there."""
        for _ in range(1000):
            if len(self.mirror.seen.get(case, ())) >= count:
                break
            threading.Event().wait(0.01)
        return self.mirror.seen.get(case, [])


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    listeners = [http_listener("main", routes(CASES, validate_clusters=False), [])]
    with Backend(1) as mirror:
        full = {"circuit_breakers": {"thresholds": [{"max_requests": 0}]}}
        more = [
            cluster("mirror", *mirror.ports),
            cluster("empty"),
            cluster("full", *mirror.ports, **full),
        ]
        folder = tmp_path_factory.mktemp("mirror")
        with world(CASES, listeners, folder, more_clusters=more) as found:
            yield Mirrored(found, mirror)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_copy_is_what_envoy_sends(compared: Mirrored, case: Case) -> None:
    one = compared.world.proxy("main")
    one.address = OWN_ADDRESS
    one.copies.clear()
    simulate(compared.world, case)

    got = []
    for copy in list(one.copies):
        stream = one.copy(copy, RouterConfig(), Listed())
        played = play(stream, scripted("500"))
        got += [lines(attempt) for attempt in played.attempts]

    seen = compared.copies(case.id, len(got))
    # Two copies may overtake each other.
    assert sorted(got) == sorted(
        (each["line"], sorted(pair for pair in each["headers"] if pair[0] not in VOLATILE))
        for each in seen
    )


def lines(attempt: Attempt) -> tuple[str, list[tuple[str, str]]]:
    """Return an attempt's request as it stands on the wire."""
    request = attempt.request
    headers = [("host", request.authority), *request.headers]
    told = sorted(pair for pair in headers if pair[0] not in VOLATILE)
    return f"{request.method} {request.path} HTTP/1.1", told


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_request_with_copies_fares_as_in_envoy(compared: Mirrored, case: Case) -> None:
    check(compared.world, case)


@pytest.mark.parametrize(
    ("draw", "copies"),
    [
        pytest.param(29, 1, id="within-the-share"),
        pytest.param(30, 0, id="beyond-the-share"),
        pytest.param(129, 1, id="by-the-value-that-all-fractions-share"),
    ],
)
def test_a_share_of_the_requests_is_copied(draw: int, copies: int) -> None:
    table = routes([Case("some", route=mirrored(share(30)))])
    one = proxy(http_listener("main", table, []), [cluster("live", 1), cluster("mirror", 2)])
    request = Request(method="GET", authority="test", path="/some")

    stream = streamed(one, request, draws=Listed(stream=draw), explain=True)
    stream.start(0)

    assert len(one.copies) == copies
    assert stream.node is not None
    told = [node.reason for node in stream.node.children if node.what == "mirror"]
    assert told == (
        ["a copy for test-shadow goes there"] if copies else ["this request is not in its share"]
    )
