"""Streams and attempts that last too long, against the real Envoy, request by request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulator.envoy.timeout import Ending, Timeouts
from tests.simulator.envoy.comparing import Case, World, check, routes, world
from tests.simulator.envoy.playing import cluster
from tests.simulator.envoy.real import Backend, http_listener

pytestmark = pytest.mark.envoy

TYPE = "type.googleapis.com/"
FAULT = TYPE + "envoy.extensions.filters.http.fault.v3.HTTPFault"
GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
INTERNAL = ("x-forwarded-for", "127.0.0.1")
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def hanging(
    name: str, *headers: tuple[str, str], to: str = "live", delay: str = "", **action: Any
) -> Case:
    """Return a request that nobody answers."""
    own: dict[str, Any] = {}
    if delay:
        held = {"fixed_delay": delay, "percentage": {"numerator": 100}}
        own = {"fault": {"@type": FAULT, "delay": held}}
    return Case(
        name,
        own=own,
        route={"route": {"cluster": to, **action}},
        headers=(INTERNAL, *headers),
        script="hang",
    )


def duration(**fields: str) -> dict[str, Any]:
    return {"max_stream_duration": fields}


def again(**policy: Any) -> dict[str, Any]:
    quick = {"base_interval": "0.001s"}
    return {
        "retry_policy": {"retry_on": "5xx", "num_retries": 1, "retry_back_off": quick, **policy}
    }


DEADLINE = ("grpc-timeout", "100m")
CASES = [
    hanging("the-connection-manager"),
    hanging("never-but-the-route", timeout="0.2s", retry_policy={}),
    hanging("less-than-the-time-out", timeout="1s"),
    hanging("the-time-out-is-less", timeout="0.1s"),
    hanging("the-route", **duration(max_stream_duration="0.1s")),
    hanging("the-route-without-time-out", timeout="0.05s", **duration()),
    hanging("for-ever-but-idle", idle_timeout="0.2s", **duration(max_stream_duration="0s")),
    hanging("idle", idle_timeout="0.1s"),
    hanging("idle-grpc", *GRPC, idle_timeout="0.1s"),
    hanging("idle-longer", idle_timeout="5s"),
    hanging("grpc", *GRPC),
    hanging("deadline", *GRPC, DEADLINE, **duration(grpc_timeout_header_max="0s")),
    hanging("deadline-no-grpc", DEADLINE, **duration(grpc_timeout_header_max="0s")),
    hanging("deadline-not-asked-for", *GRPC, DEADLINE, **duration(max_stream_duration="0.2s")),
    hanging(
        "deadline-less-an-offset",
        *GRPC,
        ("grpc-timeout", "200m"),
        **duration(grpc_timeout_header_max="0s", grpc_timeout_header_offset="0.1s"),
    ),
    hanging(
        "deadline-within-bounds",
        *GRPC,
        ("grpc-timeout", "5S"),
        **duration(grpc_timeout_header_max="0.1s"),
    ),
    hanging("no-deadline", *GRPC, **duration(grpc_timeout_header_max="0.1s")),
    hanging("grpc-is-told-of-the-duration", *GRPC, **duration(max_stream_duration="0.1s")),
    hanging("grpc-is-told-of-the-manager", *GRPC, **duration()),
    hanging("held-by-a-filter", delay="1s"),
    hanging("held-and-idle", delay="1s", idle_timeout="0.1s"),
    hanging("idle-attempts", **again(per_try_idle_timeout="0.05s")),
    hanging("idle-attempt", retry_policy={"per_try_idle_timeout": "0.05s"}),
    hanging(
        "an-attempt-is-late-before-it-is-idle",
        retry_policy={"per_try_idle_timeout": "0.1s", "per_try_timeout": "0.05s"},
    ),
    hanging("an-attempt-lasts", to="short"),
    hanging("attempts-last", to="short", **again()),
    hanging("a-grpc-attempt-lasts", *GRPC, to="short"),
    hanging("an-attempt-lasts-as-asked", ("x-envoy-upstream-stream-duration-ms", "50")),
]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    table = routes(CASES)
    table["virtual_hosts"][0]["include_attempt_count_in_response"] = True
    table["virtual_hosts"][0]["response_headers_to_add"] = [
        {"header": {"key": "x-host", "value": "test"}}
    ]
    fault = {"name": "fault", "typed_config": {"@type": FAULT}}
    listener = http_listener("main", table, [fault])
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["common_http_protocol_options"] = {"max_stream_duration": "0.3s"}
    loopback = {"address_prefix": "127.0.0.0", "prefix_len": 8}
    manager["internal_address_config"] = {"cidr_ranges": [loopback]}
    folder = tmp_path_factory.mktemp("lifetime")
    with (
        Backend(1) as backend,
        world(CASES, [listener], folder, more_clusters=[short(backend.ports)]) as found,
    ):
        found.seen.update(backend.seen)
        yield found


def short(ports: list[int]) -> dict[str, Any]:
    return {
        **cluster("short", *ports),
        "typed_extension_protocol_options": {
            OPTIONS: {
                "@type": TYPE + OPTIONS,
                "common_http_protocol_options": {"max_stream_duration": "0.1s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_stream_ends_as_in_envoy(compared: World, case: Case) -> None:
    check(compared, case)


@pytest.mark.parametrize(
    ("timeouts", "cluster_ms", "want"),
    [
        pytest.param({}, 0, (Ending.PER_TRY, 0), id="never"),
        pytest.param({"per_try_ms": 20}, 30, (Ending.PER_TRY, 20), id="the-shortest"),
        pytest.param({"per_try_idle_ms": 20}, 30, (Ending.IDLE, 20), id="idle"),
        pytest.param({}, 30, (Ending.DURATION, 30), id="as-its-cluster-says"),
        pytest.param({"duration_ms": 10}, 30, (Ending.DURATION, 10), id="as-the-client-says"),
        pytest.param({"duration_ms": 0}, 30, (Ending.PER_TRY, 0), id="for-ever-if-it-says-so"),
    ],
)
def test_what_ends_an_attempt_first(
    timeouts: dict[str, Any], cluster_ms: int, want: tuple[Ending, int]
) -> None:
    assert Timeouts(**{"route_ms": 0, "per_try_ms": 0, **timeouts}).ending(cluster_ms) == want
