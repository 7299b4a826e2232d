"""Active health checks: who is out, when a host is asked again, and who may leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envoy.balance import Context, Host
from simulator.envoy.cluster import Cluster, Discovery, Endpoint, OutlierDetection
from simulator.envoy.commands import Response
from simulator.envoy.compile import Rejected, compile_cluster
from simulator.envoy.draws import Listed
from simulator.envoy.health import Checker, Finding, asked, excludes, judge
from simulator.envoy.health_check import HealthCheck
from simulator.envoy.outlier import Result
from simulator.envoy.upstream import Upstream
from simulator.envoy_api import parse
from tests.simulator.envoy.playing import cluster

SECOND = 1_000_000_000
MS = 1_000_000
P, D, F, R, N, T = Finding
USUAL: dict[str, Any] = {
    "timeout": "1s",
    "interval": "10s",
    "unhealthy_threshold": 3,
    "healthy_threshold": 2,
}
WORDS = {
    "P": Finding.PASSED, "D": Finding.DEGRADED, "F": Finding.FAILED, "R": Finding.RETRIABLE,
    "N": Finding.NETWORK, "T": Finding.TIMED_OUT,
}  # fmt: skip


def check(**more: Any) -> HealthCheck:
    kind = {} if {"tcp_health_check", "grpc_health_check"} & set(more) else {"path": "/health"}
    given = {**USUAL, **({"http_health_check": kind} if kind else {}), **more}
    options: dict[str, Any] = {"http2_protocol_options": {}} if "grpc_health_check" in more else {}
    config = cluster("pages", 1, health_checks=[given], **options)
    found = compile_cluster(parse(config, "envoy.config.cluster.v3.Cluster")).health_check
    assert found is not None
    return found


def watched(**more: Any) -> tuple[Checker, Host]:
    checker = Checker(check(**more), lambda _: None, lambda *_: None)
    host = Host(Endpoint(address="a", port=1))
    checker.update([host])
    return checker, host


@pytest.mark.parametrize(
    ("findings", "out"),
    [
        pytest.param("", "", id="nobody-has-asked"),
        pytest.param("P", "-", id="the-first-success-is-enough"),
        pytest.param("NP", "x x", id="not-after-a-failure"),
        pytest.param("NPP", "x x -", id="then-it-takes-the-threshold"),
        pytest.param("NPNPP", "x x x x -", id="in-a-row"),
        pytest.param("PF", "- x", id="a-bad-status-fails-at-once"),
        pytest.param("PNNN", "- - - x", id="no-answer-fails-at-the-threshold"),
        pytest.param("PNTR", "- - - x", id="whatever-kind-it-is"),
        pytest.param("PNNPNNN", "- - - - - - x", id="a-success-starts-anew"),
        pytest.param("PFPP", "- x x -", id="and-back"),
        pytest.param("PD", "- d", id="degraded"),
        pytest.param("DFDD", "d x x d", id="degraded-all-the-time"),
        pytest.param("DP", "d -", id="no-longer-degraded"),
    ],
)
def test_a_host_is_out_or_in(findings: str, out: str) -> None:
    checker, host = watched()
    found = []

    for letter in findings:
        checker.report(host, WORDS[letter], 0, Listed())
        found.append("x" if host.failed else "d" if host.degraded else "-")

    assert " ".join(found) == out


EDGES = {
    "interval": "10s",
    "healthy_edge_interval": "1s",
    "unhealthy_interval": "20s",
    "unhealthy_edge_interval": "2s",
    "no_traffic_interval": "40s",
    "no_traffic_healthy_interval": "30s",
}


@pytest.mark.parametrize(
    ("config", "findings", "used", "want"),
    [
        pytest.param({}, "PPNNNNPPP", True, [10] * 9, id="one-interval-for-all"),
        pytest.param(EDGES, "P", True, [10], id="healthy"),
        pytest.param(EDGES, "PNNNN", True, [10, 2, 2, 20, 20], id="failing-then-out"),
        pytest.param(EDGES, "FPPP", True, [20, 1, 10, 10], id="passing-then-in"),
        pytest.param({}, "PN", False, [60, 60], id="nobody-has-sent-anything"),
        pytest.param(EDGES, "PPNNN", False, [30, 30, 40, 40, 40], id="slower-when-not-well"),
        pytest.param(EDGES, "FPP", False, [40, 40, 30], id="nor-when-coming-back"),
        pytest.param({"no_traffic_interval": "5s"}, "P", False, [5], id="for-healthy-ones-too"),
        pytest.param({"unhealthy_interval": "7s"}, "PNNN", True, [10, 7, 7, 7], id="edge-as-usual"),
    ],
)
def test_when_a_host_is_asked_again(
    config: dict[str, Any], findings: str, used: bool, want: list[int]
) -> None:
    checker, host = watched(**config)

    waits = [
        checker.report(host, WORDS[letter], 0, Listed(), used=used) / SECOND for letter in findings
    ]

    assert waits == want


@pytest.mark.parametrize(
    ("config", "drawn", "first_ms", "next_ms"),
    [
        pytest.param({}, [7], 0, 10_000, id="no-jitter"),
        pytest.param({"interval_jitter": "0.1s"}, [250], 0, 10_050, id="up-to-the-jitter"),
        pytest.param({"interval_jitter_percent": 10}, [1999], 0, 10_999, id="up-to-the-share"),
        pytest.param({"initial_jitter": "3s"}, [3001], 1, 10_000, id="before-the-first-check"),
        pytest.param({"initial_jitter": "3s"}, [3000], 1, 10_000, id="one-millisecond-at-least"),
        pytest.param({"interval": "0.0001s"}, [], 0, 1, id="whole-milliseconds"),
    ],
)
def test_jitter(config: dict[str, Any], drawn: list[int], first_ms: int, next_ms: int) -> None:
    checker, host = watched(**config)
    draws = Listed(values={"health check jitter": [drawn[0]] if drawn else []})
    first = checker.first_ns(draws)
    if "initial_jitter" not in config:
        draws = Listed(values={"health check jitter": drawn})

    assert first == first_ms * MS
    assert checker.report(host, Finding.PASSED, 0, draws) == next_ms * MS


@pytest.mark.parametrize(
    ("config", "response", "want"),
    [
        pytest.param({}, (200, ()), P, id="ok"),
        pytest.param({}, (204, ()), F, id="another-success-is-none"),
        pytest.param({}, (503, ()), F, id="unavailable"),
        pytest.param({}, (200, (("x-envoy-degraded", ""),)), D, id="degraded"),
        pytest.param({"retriable_statuses": [{"start": 503, "end": 504}]}, (503, ()), R,
                     id="again"),
        pytest.param({"expected_statuses": [{"start": 500, "end": 504}]}, (503, ()), P,
                     id="as-expected"),
        pytest.param({"expected_statuses": [{"start": 500, "end": 504}]}, (504, ()), F,
                     id="ranges-end-before-their-end"),
        pytest.param({"expected_statuses": [{"start": 500, "end": 504}]}, (200, ()), F,
                     id="and-nothing-else"),
    ],
)  # fmt: skip
def test_what_a_response_says(
    config: dict[str, Any], response: tuple[int, Any], want: Finding
) -> None:
    one = check(http_health_check={"path": "/health", **config})
    assert judge(one, Response(status=response[0], headers=response[1])) is want


@pytest.mark.parametrize(
    ("status", "headers", "want"),
    [
        pytest.param(200, (("grpc-status", "0"),), P, id="ok"),
        pytest.param(200, (("grpc-status", "12"),), F, id="not-implemented"),
        pytest.param(503, (), F, id="no-grpc"),
    ],
)
def test_what_grpc_says(status: int, headers: Any, want: Finding) -> None:
    one = check(grpc_health_check={"service_name": "pages"})
    assert judge(one, Response(status=status, headers=headers)) is want


@pytest.mark.parametrize(
    ("config", "endpoint", "want"),
    [
        pytest.param({"http_health_check": {"path": "/up"}}, {}, ("GET", "pages", "/up"),
                     id="the-cluster-is-the-host"),
        pytest.param({"http_health_check": {"path": "/up", "host": "x", "method": "HEAD"}}, {},
                     ("HEAD", "x", "/up"), id="or-what-the-check-says"),
        pytest.param({"http_health_check": {"path": "/up", "host": "x"}}, {"check_hostname": "y"},
                     ("GET", "y", "/up"), id="or-the-endpoint"),
        pytest.param({"grpc_health_check": {"authority": "z"}}, {},
                     ("POST", "z", "/grpc.health.v1.Health/Check"), id="grpc"),
        pytest.param({"tcp_health_check": {}}, {}, None, id="tcp-says-nothing"),
    ],
)  # fmt: skip
def test_what_is_asked(
    config: dict[str, Any], endpoint: dict[str, Any], want: tuple[str, ...] | None
) -> None:
    request = asked(check(**config), Endpoint(address="a", port=1, **endpoint), "pages")
    assert (request and (request.method, request.authority, request.path)) == want
    if request is not None:
        assert request.first("user-agent") == "Envoy/HC"


def upstream(*names: str, **more: Any) -> Upstream:
    return Upstream(clustered(*names, **more))


def clustered(*names: str, **more: Any) -> Cluster:
    one = compile_cluster(
        parse(
            cluster("pages", health_checks=[{**USUAL, "tcp_health_check": {}}]),
            "envoy.config.cluster.v3.Cluster",
        )
    )
    endpoints = tuple(Endpoint(address=name, port=1) for name in names)
    given = {"type": Discovery.EDS, "endpoints_kind": "endpoints", **more}
    return replace(one, endpoints=endpoints, **given)


def see(one: Upstream, findings: str, now: int = 0) -> None:
    assert one.health is not None
    for host, letter in zip(list(one.hosts.values()), findings, strict=False):
        one.health.report(host, WORDS[letter], now, Listed())


def serving(one: Upstream, now: int = 0) -> str:
    found = {one.choose(Listed(), Context(now=now)) for _ in range(12)}
    return "".join(sorted(host.endpoint.address if host else "-" for host in found))


@pytest.mark.parametrize(
    ("findings", "more", "want"),
    [
        pytest.param("PPP", {}, "abc", id="all"),
        pytest.param("PPF", {}, "ab", id="two"),
        pytest.param("PFF", {}, "abc", id="panic"),
        pytest.param("PFF", {"panic_threshold": 0}, "a", id="no-panic"),
        pytest.param("FFF", {"panic_threshold": 0}, "-", id="none"),
        pytest.param("P", {"pending_until_checked": True}, "a", id="the-unchecked-do-not-count"),
        pytest.param("P", {}, "abc", id="they-do-otherwise"),
        pytest.param("DPP", {}, "bc", id="degraded"),
    ],
)
def test_who_serves(findings: str, more: dict[str, Any], want: str) -> None:
    one = upstream("a", "b", "c", **more)
    see(one, findings)
    assert serving(one) == want


def test_changes_are_merged_once_the_cluster_is_in_use() -> None:
    one = upstream("a", "b", "c", panic_threshold=0)
    see(one, "FPP")
    assert serving(one) == "bc"

    see(one, "PPP", now=1)
    see(one, "PPF", now=2)

    # The first change shows at once; the next ones wait for the end of the window.
    assert serving(one, now=3) == "abc"
    assert serving(one, now=2 * SECOND) == "ab"


@pytest.mark.parametrize(
    ("more", "first", "then", "want"),
    [
        pytest.param({}, "PP", "", "ab", id="stays-while-it-passes"),
        pytest.param({}, "PF", "", "a", id="goes-when-it-is-out"),
        pytest.param({}, "PP", "PF", "a", id="goes-with-the-next-failure"),
        pytest.param({"keep_until_unhealthy": False}, "PP", "", "a", id="goes-if-asked-to"),
    ],
)
def test_a_host_that_leaves(more: dict[str, Any], first: str, then: str, want: str) -> None:
    one = upstream("a", "b", **more)
    see(one, first)

    one.update(clustered("a", **more))
    see(one, then)

    assert serving(one) == want
    assert "".join(sorted(host.endpoint.address for host in one.hosts.values())) == want


def test_a_host_that_comes_back_is_no_longer_leaving() -> None:
    one = upstream("a", "b")
    see(one, "PP")
    one.update(clustered("a"))
    one.update(clustered("a", "b"))

    see(one, "PF")

    assert [host.endpoint.address for host in one.hosts.values()] == ["a", "b"]


@pytest.mark.parametrize(
    ("brings_back", "want"),
    [pytest.param(True, "ab", id="comes-back"), pytest.param(False, "a", id="stays-out")],
)
def test_a_passed_check_ends_an_ejection(brings_back: bool, want: str) -> None:
    detection = OutlierDetection(
        consecutive_5xx=1,
        max_ejection_percent=100,
        successful_active_health_check_uneject_host=brings_back,
    )
    one = upstream("a", "b", outlier_detection=detection, update_merge_window_ns=0)
    see(one, "PP")
    assert one.outliers is not None
    one.outliers.report(one.hosts["b:1"], Result.ANSWERED, 1, Listed(), 500)
    assert serving(one, now=1) == "a"

    see(one, "PP", now=2)

    assert serving(one, now=2) == want


def test_a_response_may_exclude_its_host_until_checks_pass() -> None:
    one = upstream("a", "b", "c", update_merge_window_ns=0)
    see(one, "PPP")
    for name in "ab":
        headers = (("x-envoy-immediate-health-check-fail", "true"),)
        one.heed(one.hosts[f"{name}:1"], Response(status=200, headers=headers), 1)

    # Two of three are out, and yet there is no panic: they do not count.
    assert serving(one) == "c"
    see(one, "PPP", now=2)
    assert serving(one) == "c"
    see(one, "PPP", now=3)
    assert serving(one) == "abc"


def test_a_failed_check_may_exclude_its_host() -> None:
    said = (("x-envoy-immediate-health-check-fail", "true"),)
    assert excludes(check(), Response(status=503, headers=said))
    assert not excludes(check(), Response(status=200, headers=said))


def test_endpoints_may_refuse_to_be_checked() -> None:
    one = clustered("a", "b")
    free = replace(one.endpoints[1], unchecked=True)
    running = Upstream(replace(one, endpoints=(one.endpoints[0], free), panic_threshold=0))
    assert running.health is not None
    assert len(running.health.new) == 1
    assert serving(running) == "b"


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        pytest.param([{"http_health_check": {"path": ""}}], "at least 1 characters", id="no-path"),
        pytest.param([{"grpc_health_check": {}}], "must support HTTP/2", id="grpc-over-http1"),
        pytest.param(
            [{"http_health_check": {"path": "/", "expected_statuses": [{"start": 9, "end": 200}]}}],
            "Invalid http expected status range: expecting start >= 100, but found start=9",
            id="a-strange-status",
        ),
        pytest.param([{"tcp_health_check": {}}] * 2, "health check at index 0 is missing a name",
                     id="several-without-names"),
        pytest.param([{"tcp_health_check": {"send": {"text": "zz"}}}], "invalid hex string 'zz'",
                     id="not-hexadecimal"),
    ],
)  # fmt: skip
def test_what_envoy_refuses(checks: list[dict[str, Any]], reason: str) -> None:
    config = cluster("pages", 1, health_checks=[{**USUAL, **one} for one in checks])
    with pytest.raises(Rejected, match=reason):
        compile_cluster(parse(config, "envoy.config.cluster.v3.Cluster"))


def test_what_is_not_simulated_is_named() -> None:
    more = {"receive": [{"text": "00"}]}
    checks = [
        {**USUAL, "tcp_health_check": more, "name": "one", "event_log_path": "x"},
        {**USUAL, "tcp_health_check": {}, "name": "two"},
    ]
    config = cluster("pages", 1, health_checks=checks)
    found = compile_cluster(parse(config, "envoy.config.cluster.v3.Cluster")).diagnostics
    assert [one.field for one in found] == [
        "health_checks[0].event_log_path",
        "health_checks[0].tcp_health_check.receive",
        "health_checks[1]",
    ]


@given(st.text("PDFRNT", max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_a_host_changes_sides_only_for_a_reason(findings: str, bad: int, good: int) -> None:
    checker, host = watched(unhealthy_threshold=bad, healthy_threshold=good)
    for at, letter in enumerate(findings):
        before = bool(host.failed)
        checker.report(host, WORDS[letter], 0, Listed())
        came, went = before and not host.failed, not before and bool(host.failed)
        assert not came or letter in "PD"
        assert not came or at == 0 or not set(findings[max(0, at - good + 1) : at + 1]) - set("PD")
        assert not went or letter == "F" or not set(findings[at - bad + 1 : at + 1]) - set("RNT")
    counts = checker.counts
    assert counts.success + counts.failure == len(findings)
    assert counts.network_failure == sum(letter in "NT" for letter in findings)
