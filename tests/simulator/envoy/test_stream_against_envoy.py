"""The simulated stream against the real Envoy, request by request, on the same bytes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.commands import Attempt
from simulator.envoy.draws import Forced
from simulator.envoy.request import Request
from tests.simulator.envoy.playing import cluster, play, proxy, streamed
from tests.simulator.envoy.real import (
    Answer,
    Backend,
    http_listener,
    running,
    script_step,
)

pytestmark = pytest.mark.envoy

TYPE = "type.googleapis.com/"
FAULT = "envoy.extensions.filters.http.fault.v3.HTTPFault"
VOLATILE = {"x-request-id", "date", "content-length", "x-envoy-upstream-service-time", "host"}
INTERNAL = {"x-forwarded-for": "127.0.0.1"}
"""With this header, the listener `internal` takes a client's word for retries and time-outs."""
HUNDRED = {"numerator": 100}


@dataclass(frozen=True)
class Case:
    """One request to a route of its own."""

    id: str
    script: str = "200"
    route: dict[str, Any] = field(default_factory=dict)
    """What the route does; a forwarding one goes to the cluster `live` unless it says else."""
    fault: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    listener: str = "main"
    host: str = "test"
    method: str = "GET"


def plainly(text: str) -> str:
    """Return a text as an id that can stand in a path."""
    return re.sub(r"[^\w:]+", "-", text)


def forward(**action: Any) -> dict[str, Any]:
    """Return a forwarding route."""
    return {"route": {"cluster": "live", **action}}


def retry(retry_on: str, **policy: Any) -> dict[str, Any]:
    """Return a forwarding route that retries."""
    quick = {"base_interval": "0.002s"}
    return forward(
        retry_policy={"retry_on": retry_on, "num_retries": 2, "retry_back_off": quick, **policy}
    )


def retry_to(name: str, retry_on: str, **policy: Any) -> dict[str, Any]:
    """Return a retrying route to another cluster."""
    route = retry(retry_on, **policy)
    route["route"]["cluster"] = name
    return route


HANG = {"per_try_timeout": "0.04s"}
CASES = [
    Case("plain"),
    Case("plain-404", "404"),
    Case("plain-503", "503"),
    Case("plain-close", "close"),
    Case("head-close", "close", method="HEAD"),
    *(
        Case(
            plainly(f"retry-{name}-{script}"),
            script,
            retry(name, **more),
        )
        for name, more, scripts in [
            ("5xx", {}, ["503,200", "503", "500,404", "close,200", "close", "404"]),
            ("gateway-error", {}, ["500", "502,503,200", "close,200"]),
            ("retriable-4xx", {}, ["409,200", "404", "503"]),
            (
                "retriable-status-codes",
                {"retriable_status_codes": [418]},
                ["418,200", "503", "close"],
            ),
            ("reset", {}, ["close,200", "503"]),
            ("reset-before-request", {}, ["close", "503"]),
            ("connect-failure", {}, ["close", "503"]),
            ("refused-stream", {}, ["close"]),
            ("envoy-ratelimited", {}, ["429+x-envoy-ratelimited:true,200", "429", "503"]),
            ("envoy-ratelimited,5xx", {}, ["503", "close,200"]),
            (
                "5xx,retriable-status-codes",
                {},
                ["503+x-envoy-ratelimited:true", "503+x-envoy-ratelimited:false,200"],
            ),
            ("cancelled", {}, ["200+grpc-status:1,200", "200+grpc-status:14"]),
            ("unavailable,internal", {}, ["200+grpc-status:14,200+grpc-status:13,200"]),
            ("nonsense", {}, ["503"]),
            (" 5xx , nonsense", {}, ["503,200"]),
        ]
        for script in scripts
    ),
    Case(
        "retriable-headers",
        "200+x-again:1,404",
        retry(
            "retriable-headers",
            retriable_headers=[{"name": "x-again", "string_match": {"exact": "1"}}],
        ),
    ),
    Case(
        "retriable-headers-not",
        "503+x-again:2",
        retry(
            "retriable-headers",
            retriable_headers=[{"name": "x-again", "string_match": {"exact": "1"}}],
        ),
    ),
    Case(
        "retriable-request-headers-not",
        "503",
        retry("5xx", retriable_request_headers=[{"name": "x-may", "present_match": True}]),
    ),
    Case(
        "retriable-request-headers",
        "503,200",
        retry("5xx", retriable_request_headers=[{"name": "x-may", "present_match": True}]),
        headers={"x-may": "1"},
    ),
    Case("no-retries-left-at-once", "503", retry("5xx", num_retries=0)),
    Case("many-retries", "503,503,503,503,200", retry("5xx", num_retries=9)),
    *(
        Case(plainly(f"per-try-{name}-{script}"), script, retry(name, **HANG))
        for name, script in [
            ("5xx", "hang,200"),
            ("5xx", "hang"),
            ("gateway-error", "hang,200"),
            ("reset", "hang,200"),
            ("reset-before-request", "hang"),
            ("connect-failure", "hang"),
            ("retriable-status-codes", "hang"),
            ("refused-stream", "hang"),
        ]
    ),
    Case("per-try-without-retries", "hang", forward(retry_policy=HANG)),
    Case("time-out", "hang", forward(timeout="0.05s")),
    Case("time-out-none", "200", forward(timeout="0s")),
    Case(
        "per-try-as-long-as-all",
        "hang",
        forward(timeout="0.05s", retry_policy={"retry_on": "5xx", "per_try_timeout": "0.05s"}),
    ),
    Case(
        "time-out-over-all-tries",
        "hang",
        forward(
            timeout="0.15s",
            retry_policy={
                "retry_on": "5xx",
                "num_retries": 9,
                "per_try_timeout": "0.06s",
                "retry_back_off": {"base_interval": "0.001s"},
            },
        ),
    ),
    Case("no-cluster", route=forward(cluster="nowhere")),
    Case(
        "no-cluster-404",
        route=forward(cluster="nowhere", cluster_not_found_response_code="NOT_FOUND"),
    ),
    Case("no-endpoints", route=forward(cluster="empty")),
    Case("no-endpoints-retry", route=retry_to("empty", "5xx")),
    Case("nobody-healthy", route=forward(cluster="unhealthy")),
    Case("panic", route=forward(cluster="panic")),
    Case("refused", route=forward(cluster="dead")),
    Case("refused-retried", route=retry_to("dead", "connect-failure")),
    Case("refused-reset-before-request", route=retry_to("dead", "reset-before-request")),
    Case("refused-retriable-status-codes", route=retry_to("dead", "retriable-status-codes")),
    Case("refused-head", route=forward(cluster="dead"), method="HEAD"),
    Case("no-virtual-host", host="elsewhere"),
    Case("direct", route={"direct_response": {"status": 418, "body": {"inline_string": "tea"}}}),
    Case("direct-empty", route={"direct_response": {"status": 204}}),
    Case("redirect", route={"redirect": {"host_redirect": "other"}}),
    Case("full", route=forward(cluster="full")),
    Case("full-retried", route=retry_to("full", "5xx")),
    Case("no-retry-allowed", "503", retry_to("stingy", "5xx")),
    Case("no-retry-allowed-close", "close", retry_to("stingy", "5xx")),
    Case("counted", "503,200", retry("5xx"), host="counted"),
    Case("counted-reset", "close", forward(), host="counted"),
    Case(
        "grpc-refused", route=forward(cluster="dead"), headers={"content-type": "application/grpc"}
    ),
    Case(
        "grpc-time-out",
        "hang",
        forward(timeout="0.05s"),
        headers={"content-type": "application/grpc"},
    ),
    Case(
        "grpc-no-cluster",
        route=forward(cluster="nowhere"),
        headers={"content-type": "application/grpc"},
    ),
    Case("quiet", "503,200", retry("5xx"), listener="quiet"),
    Case("quiet-full", route=forward(cluster="full"), listener="quiet"),
    # What an untrusted client says of retries and time-outs is taken away …
    Case(
        "steered-from-outside",
        "503",
        headers={"x-envoy-retry-on": "5xx", "x-envoy-max-retries": "2"},
    ),
    # … and what a trusted one says is obeyed.
    Case(
        "steered-retry",
        "503,503,503,200",
        retry("reset"),
        headers={"x-envoy-retry-on": "5xx", "x-envoy-max-retries": "3", **INTERNAL},
        listener="internal",
    ),
    Case(
        "steered-retry-without-policy",
        "503,200",
        headers={"x-envoy-retry-on": "gateway-error", **INTERNAL},
        listener="internal",
    ),
    Case(
        "steered-status-codes",
        "418,200",
        headers={
            "x-envoy-retry-on": "retriable-status-codes",
            "x-envoy-retriable-status-codes": "418,419",
            **INTERNAL,
        },
        listener="internal",
    ),
    Case(
        "steered-header-names",
        "404+x-again:no,200",
        headers={
            "x-envoy-retry-on": "retriable-headers",
            "x-envoy-retriable-header-names": "x-other, X-Again",
            **INTERNAL,
        },
        listener="internal",
    ),
    Case(
        "steered-time-out",
        "hang",
        headers={"x-envoy-upstream-rq-timeout-ms": "40", **INTERNAL},
        listener="internal",
    ),
    Case(
        "steered-per-try",
        "hang,200",
        retry("5xx"),
        headers={"x-envoy-upstream-rq-per-try-timeout-ms": "40", **INTERNAL},
        listener="internal",
    ),
    Case(
        "steered-alternative",
        "hang",
        forward(timeout="0.04s"),
        headers={"x-envoy-upstream-rq-timeout-alt-response": "1", **INTERNAL},
        listener="internal",
    ),
    Case("fault-abort", fault={"abort": {"http_status": 418, "percentage": HUNDRED}}),
    Case(
        "fault-abort-not-retried",
        route=retry("5xx"),
        fault={"abort": {"http_status": 503, "percentage": HUNDRED}},
    ),
    Case(
        "fault-abort-never", fault={"abort": {"http_status": 418, "percentage": {"numerator": 0}}}
    ),
    Case("fault-grpc", fault={"abort": {"grpc_status": 5, "percentage": HUNDRED}}),
    Case(
        "fault-grpc-client",
        fault={"abort": {"http_status": 503, "percentage": HUNDRED}},
        headers={"content-type": "application/grpc"},
    ),
    Case("fault-delay", fault={"delay": {"fixed_delay": "0.02s", "percentage": HUNDRED}}),
    Case(
        "fault-delay-longer-than-the-time-out",
        route=forward(timeout="0.05s"),
        fault={"delay": {"fixed_delay": "0.1s", "percentage": HUNDRED}},
    ),
    Case(
        "fault-delay-then-abort",
        fault={
            "delay": {"fixed_delay": "0.02s", "percentage": HUNDRED},
            "abort": {"http_status": 500, "percentage": HUNDRED},
        },
    ),
    *(
        Case(
            f"fault-by-header-{name}",
            fault={
                "abort": {"header_abort": {}, "percentage": HUNDRED},
                "delay": {"header_delay": {}, "percentage": HUNDRED},
            },
            headers=headers,
        )
        for name, headers in [
            ("none", {}),
            ("abort", {"x-envoy-fault-abort-request": "503"}),
            ("grpc", {"x-envoy-fault-abort-grpc-request": "7"}),
            ("delay", {"x-envoy-fault-delay-request": "10"}),
            ("bad", {"x-envoy-fault-abort-request": "99", "x-envoy-fault-delay-request": "x"}),
            (
                "zero-percent",
                {
                    "x-envoy-fault-abort-request": "503",
                    "x-envoy-fault-abort-request-percentage": "0",
                },
            ),
        ]
    ),
    Case(
        "fault-for-another-cluster",
        fault={"upstream_cluster": "dead", "abort": {"http_status": 418, "percentage": HUNDRED}},
    ),
    Case(
        "fault-for-other-headers",
        fault={
            "headers": [{"name": "x-fault", "present_match": True}],
            "abort": {"http_status": 418, "percentage": HUNDRED},
        },
    ),
    Case(
        "fault-before-a-direct-response",
        route={"direct_response": {"status": 200}},
        fault={"abort": {"http_status": 418, "percentage": HUNDRED}},
    ),
]


def route(case: Case) -> dict[str, Any]:
    """Return the route of a case."""
    out = {
        "name": case.id,
        "match": {"path": f"/{case.id}"},
        "response_headers_to_add": [{"header": {"key": "x-route", "value": case.id}}],
        **(case.route or forward()),
    }
    if case.fault is not None:
        out["typed_per_filter_config"] = {"fault": {"@type": TYPE + FAULT, **case.fault}}
    return out


def listeners() -> list[dict[str, Any]]:
    """Return the listeners, each with a route for each case."""
    routes = [route(case) for case in CASES]
    hosts: list[dict[str, Any]] = [
        {"name": "test", "domains": ["test"], "routes": routes},
        {
            "name": "counted",
            "domains": ["counted"],
            "routes": routes,
            "include_attempt_count_in_response": True,
        },
    ]
    for each in hosts:
        each["include_request_attempt_count"] = True
    table = {"name": "r", "validate_clusters": False, "virtual_hosts": hosts}
    fault = {"name": "fault", "typed_config": {"@type": TYPE + FAULT}}
    out = [http_listener(name, table, [fault]) for name in ("main", "internal", "quiet")]
    managers = [each["filter_chains"][0]["filters"][0]["typed_config"] for each in out]
    loopback = {"address_prefix": "127.0.0.0", "prefix_len": 8}
    managers[1]["internal_address_config"] = {"cidr_ranges": [loopback]}
    managers[2] = json.loads(json.dumps(managers[2]))
    managers[2]["http_filters"][-1]["typed_config"]["suppress_envoy_headers"] = True
    managers[2]["server_name"] = "hidden"
    out[2]["filter_chains"][0]["filters"][0]["typed_config"] = managers[2]
    return out


def clusters(ports: list[int], dead: int) -> list[dict[str, Any]]:
    """Return the clusters that the routes name."""
    generous = {"circuit_breakers": {"thresholds": [{"max_retries": 1000}]}}
    unhealthy = cluster("unhealthy", *ports, common_lb_config={"healthy_panic_threshold": {}})
    panic = cluster("panic", *ports)
    for each in (unhealthy, panic):
        for endpoint in each["load_assignment"]["endpoints"][0]["lb_endpoints"]:
            endpoint["health_status"] = "UNHEALTHY"
    return [
        cluster("live", *ports, **generous),
        cluster("dead", dead, **generous),
        cluster("empty"),
        unhealthy,
        panic,
        cluster("full", *ports, circuit_breakers={"thresholds": [{"max_requests": 0}]}),
        cluster("stingy", *ports, circuit_breakers={"thresholds": [{"max_retries": 0}]}),
    ]


@dataclass
class World:
    """What the real Envoy did with every case, and the configuration it had."""

    answers: dict[str, Answer]
    seen: dict[str, list[dict[str, Any]]]
    listeners: dict[str, dict[str, Any]]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("envoy")
    with socket.socket() as reserved, Backend(2) as backend:
        # Bound but not listening: connections are refused, and nobody else takes the port.
        reserved.bind(("127.0.0.1", 0))
        configured = clusters(backend.ports, reserved.getsockname()[1])
        with (
            running(listeners(), configured, folder) as envoy,
            ThreadPoolExecutor(max_workers=8) as pool,
        ):

            def ask(case: Case) -> Answer:
                return envoy.ask(
                    case.id,
                    f"/{case.id}",
                    {**case.headers, "x-script": case.script},
                    listener=case.listener,
                    host=case.host,
                    method=case.method,
                )

            answers = dict(zip([c.id for c in CASES], pool.map(ask, CASES), strict=True))
            for name, line in envoy.logged(list(answers)).items():
                answers[name].log = line
        yield World(answers, backend.seen, {each["name"]: each for each in listeners()}, configured)


def backend(attempt: Attempt) -> str:
    """Do what the real backend does."""
    if attempt.cluster == "dead":
        return "refuse"
    return script_step(dict(attempt.request.headers))


def lines(headers: Iterable[tuple[str, str]], *, attempt: int = 1) -> list[tuple[str, str]]:
    """Return headers that can be compared, sorted; what is left of a time-out varies."""
    late = {"x-envoy-expected-rq-timeout-ms"} if attempt > 1 else set()
    return sorted(
        (name, "some" if name in late else value) for name, value in headers if name not in VOLATILE
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_simulated_stream_does_as_envoy_did(world: World, case: Case) -> None:
    answer, seen = world.answers[case.id], world.seen.get(case.id, [])
    sent = (("accept-encoding", "identity"), ("x-case", case.id), *case.headers.items())
    request = Request(
        method=case.method,
        authority=case.host,
        path=f"/{case.id}",
        headers=(*sent, ("x-script", case.script)),
    )
    ports = tuple(f"127.0.0.1:{each['port']}" for each in seen)
    stream = streamed(
        proxy(world.listeners[case.listener], world.clusters),
        request,
        forced=Forced(endpoints=ports or None),
    )

    played = play(stream, backend)

    record, log = stream.record(), answer.log
    assert played.status == answer.status
    assert (",".join(record.flags) or "-") == log["flags"]
    assert record.details == log["details"]
    assert record.attempts == log["attempts"]
    assert record.route == log["route"]
    assert record.cluster == log["cluster"]
    if ports or log["host"] is None:
        assert record.endpoint == log["host"]
    response = played.finish.response
    assert response is not None
    assert response.body == ("" if case.method == "HEAD" else answer.body)
    assert lines(response.headers) == lines(answer.headers.items())
    assert [
        lines(a.request.headers, attempt=a.number) for a in played.attempts if a.cluster != "dead"
    ] == [lines(each["headers"], attempt=at + 1) for at, each in enumerate(seen)]
