from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envoy.commands import Attempt, Command, Finish, Reset, Response, Wait
from simulator.envoy.draws import Forced, Listed
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.states import TRANSITIONS, Event, State, UnexpectedEventError
from simulator.envoy.stream import Stream
from simulator.observe.explain import Node, Outcome
from tests.simulator.envoy.playing import MS, Played, cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import http_listener

TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
ASKING = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"


def mesh(
    route: dict[str, Any] | None = None,
    *,
    action: dict[str, Any] | None = None,
    fault: dict[str, Any] | None = None,
    clusters: list[dict[str, Any]] | None = None,
    asking: bool = False,
) -> Proxy:
    """Return a proxy with one route, by default to the cluster `live` of two endpoints."""
    full = route or {"route": {"cluster": "live", **(action or {})}}
    hosts = [{"name": "vh", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **full}]}]
    filters = [{"name": "fault", "typed_config": {"@type": TYPE, **fault}}] if fault else []
    if asking:
        uri = {"uri": "live", "cluster": "live", "timeout": "1s"}
        config = {"@type": ASKING, "http_service": {"server_uri": uri}}
        filters.append({"name": "ask", "typed_config": config})
    table = {"name": "r", "virtual_hosts": hosts, "validate_clusters": False}
    return proxy(http_listener("main", table, filters), clusters or [cluster("live", 8001, 8002)])


def request(path: str = "/", **headers: str) -> Request:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method="GET", authority="reviews", path=path, headers=pairs)


def retrying(conditions: str, num_retries: int = 2, **policy: Any) -> dict[str, Any]:
    return {"retry_policy": {"retry_on": conditions, "num_retries": num_retries, **policy}}


def run(one: Proxy, script: str = "200", **more: Any) -> Played:
    return play(streamed(one, request(), **more), scripted(script))


@pytest.mark.parametrize(
    ("action", "script", "status", "flags", "attempts", "details"),
    [
        pytest.param({}, "200", 200, (), 1, "via_upstream", id="plain"),
        pytest.param({}, "503", 503, (), 1, "via_upstream", id="an-answer-is-no-failure"),
        pytest.param(
            {},
            "garbage",
            502,
            ("UPE",),
            1,
            "upstream_reset_before_response_started{protocol_error}",
            id="protocol-error",
        ),
        pytest.param(
            {},
            "reset",
            503,
            ("UR",),
            1,
            "upstream_reset_before_response_started{remote_reset}",
            id="reset",
        ),
        pytest.param(
            {},
            "slow-connect",
            503,
            ("UF",),
            1,
            "upstream_reset_before_response_started{connection_timeout}",
            id="connect-time-out",
        ),
        pytest.param(
            retrying("reset"), "reset,close,200", 200, (), 3, "via_upstream", id="retries-recover"
        ),
        pytest.param(
            retrying("refused-stream"),
            "refuse-stream,200",
            200,
            (),
            2,
            "via_upstream",
            id="refused-stream",
        ),
        pytest.param(
            retrying("reset-before-request"),
            "refuse,close",
            503,
            ("UC",),
            2,
            "upstream_reset_before_response_started{connection_termination}",
            id="sent-at-last",
        ),
        pytest.param(
            retrying("5xx"),
            "leave",
            None,
            ("DC",),
            1,
            "downstream_remote_disconnect",
            id="client-leaves",
        ),
        pytest.param(
            {"timeout": "0.02s", **retrying("5xx", 9)},
            "503",
            504,
            ("UT",),
            2,
            "response_timeout",
            id="time-runs-out-while-backing-off",
        ),
    ],
)
def test_outcome(
    action: dict[str, Any],
    script: str,
    status: int | None,
    flags: tuple[str, ...],
    attempts: int,
    details: str,
) -> None:
    draws = Listed(values={"back-off": [0, 49]})

    played = run(mesh(action=action), script, draws=draws)

    finish = played.finish
    assert (played.status, finish.flags, finish.attempts, finish.details) == (
        status,
        flags,
        attempts,
        details,
    )
    assert len(played.attempts) == attempts


def test_back_off_is_waited_for() -> None:
    draws = Listed(values={"back-off": [24, 49, 99]})

    played = run(mesh(action=retrying("5xx", 3)), "503", draws=draws)

    assert played.waits_ms == [24, 49, 99]


def test_what_is_left_of_the_time_is_told_upstream() -> None:
    action = {"timeout": "0.1s", **retrying("5xx")}
    draws = Listed(values={"back-off": [20]})

    played = run(mesh(action=action), "503,200", draws=draws)

    told = [
        dict(each.request.headers)["x-envoy-expected-rq-timeout-ms"] for each in played.attempts
    ]
    assert told == ["100", "79"]


def test_a_delay_is_not_part_of_the_routes_time() -> None:
    fault = {"delay": {"fixed_delay": "1s", "percentage": {"numerator": 100}}}

    played = run(mesh(action={"timeout": "0.5s"}, fault=fault), "200")

    assert (played.waits_ms, played.status, played.finish.flags) == ([1000], 200, ("DI",))


def test_previous_hosts_are_passed_over() -> None:
    predicate = {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3"
            ".PreviousHostsPredicate"
        },
    }
    policy = {"retry_host_predicate": [predicate], "host_selection_retry_max_attempts": 3}
    one = mesh(
        action=retrying("5xx", 1, **policy),
        clusters=[cluster("live", 8001, 8002, lb_policy="RANDOM")],
    )
    draws = Listed(values={"endpoint": [0, 0, 0, 1]})

    played = run(one, "503", draws=draws)

    assert [each.endpoint.port for each in played.attempts] == [8001, 8002]


def test_observed_choices_are_made_again() -> None:
    weights = {
        "clusters": [{"name": "a", "weight": 99}, {"name": "b", "weight": 1}],
    }
    fault = {"abort": {"http_status": 500, "percentage": {"numerator": 100}}}
    one = mesh(
        action={"weighted_clusters": weights, **retrying("5xx")} | {"cluster": None},
        fault=fault,
        clusters=[cluster("a", 8001), cluster("b", 8002, 8003, 8004)],
    )
    seen = Forced(
        cluster="b", endpoints=("127.0.0.1:8004", "127.0.0.1:8002"), delayed=False, aborted=False
    )

    played = run(one, "503,200", forced=seen)

    assert [each.endpoint.key for each in played.attempts] == list(seen.endpoints or ())
    assert {each.cluster for each in played.attempts} == {"b"}


def test_an_original_destination_is_where_the_client_went() -> None:
    passthrough = {
        "name": "live",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"upstream_port_override": 9999},
    }

    played = run(mesh(clusters=[passthrough]), "200")

    assert played.attempts[0].endpoint.key == "127.0.0.1:9999"


def test_a_full_cluster_answers_at_once() -> None:
    limits = {"circuit_breakers": {"thresholds": [{"max_requests": 1}]}}
    one = mesh(clusters=[cluster("live", 8001, **limits)])
    first = streamed(one, request())
    assert isinstance(first.start(0), Attempt)

    second = run(one)

    assert (second.status, second.finish.flags, second.attempts) == (503, ("UO",), [])
    first.on_response(MS, Response(status=200))
    assert run(one).status == 200


def test_each_priority_has_limits_of_its_own() -> None:
    limits = [{"max_requests": 0}, {"priority": "HIGH", "max_requests": 1}]
    clusters = [cluster("live", 8001, circuit_breakers={"thresholds": limits})]

    assert run(mesh(clusters=clusters)).finish.flags == ("UO",)
    assert run(mesh(clusters=clusters, action={"priority": "HIGH"})).status == 200


def test_no_more_faults_at_a_time_than_allowed() -> None:
    delay = {"fixed_delay": "1s", "percentage": {"numerator": 100}}
    one = mesh(fault={"delay": delay, "max_active_faults": 1})
    held = streamed(one, request())
    assert isinstance(held.start(0), Wait)

    assert run(one).waits_ms == []
    held.resume(1000 * MS)
    assert run(one).waits_ms == [1000]


def walk(node: Node) -> list[Node]:
    return [node, *(each for child in node.children for each in walk(child))]


def test_reasons_name_the_fields_behind_them() -> None:
    action = {
        "timeout": "1s",
        **retrying("5xx", 1, per_try_timeout="2s", retry_back_off={"base_interval": "0.01s"}),
    }

    played = run(mesh(action=action), "503", explain=True)

    assert played.stream.node is not None
    told = {(each.what, each.name): each for each in walk(played.stream.node)}
    retry_field = told["retry", "none"].field
    assert retry_field is not None
    assert retry_field.path.endswith("virtual_hosts[0].routes[0].route.retry_policy.num_retries")
    assert "0 to 9" in told["retry", "5xx"].reason
    assert told["time-out", "per try"].outcome is Outcome.REJECTED
    assert told["endpoint", "127.0.0.1:8002"].outcome is Outcome.CHOSEN
    assert told["response", "503"].reason == "via_upstream, flags URX"


def test_nobody_asked_no_reasons() -> None:
    assert run(mesh()).stream.node is None


def limits(**values: int) -> dict[str, Any]:
    return {"circuit_breakers": {"thresholds": [values]}}


def arrange(state: State) -> Stream:
    """Return a stream that stands in a state."""
    delay = {"delay": {"fixed_delay": "1s", "percentage": {"numerator": 100}}}
    one = mesh(
        action=retrying("5xx"),
        fault=delay if state is State.DELAYED else None,
        asking=state is State.ASKING,
        clusters=[cluster("live", 8001, **limits(max_connections=1))],
    )
    if state is State.QUEUED:
        streamed(one, request()).start(0)
    stream = streamed(one, request())
    if state is not State.NEW:
        stream.start(0)
    if state in (State.BACKING_OFF, State.DONE):
        stream.on_response(MS, Response(status=503 if state is State.BACKING_OFF else 200))
    assert stream.state is state
    return stream


def happen(stream: Stream, event: Event) -> Command | None:
    match event:
        case Event.TURN:
            return stream.on_turn(2 * MS, Reset.REMOTE_CONNECTION_FAILURE)
        case Event.START:
            return stream.start(2 * MS)
        case Event.RESUME:
            return stream.resume(2 * MS)
        case Event.TOLD:
            return stream.on_told(2 * MS, Response(status=200))
        case Event.RESPONSE:
            return stream.on_response(2 * MS, Response(status=503))
        case Event.RESET:
            return stream.on_reset(2 * MS, Reset.REMOTE_RESET)
        case Event.PER_TRY_TIMEOUT:
            return stream.on_per_try_timeout(2 * MS)
        case Event.TIMEOUT:
            return stream.on_timeout(2 * MS)
        case Event.EXPIRY:
            return stream.on_expiry(2 * MS)
        case Event.DISCONNECT:
            return stream.on_disconnect(2 * MS)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_every_event_in_every_state(state: State, event: Event) -> None:
    stream = arrange(state)
    allowed = TRANSITIONS[state].get(event)
    if allowed is None:
        with pytest.raises(UnexpectedEventError):
            happen(stream, event)
        assert stream.state is state
        return

    command = happen(stream, event)

    assert stream.state in allowed
    assert (command is None) == (state is State.DONE)
    assert (stream.state is State.DONE) == (command is None or isinstance(command, Finish))


STEPS = ["200", "404", "503", "close", "refuse", "hang", "garbage", "reset", "409"]


@given(
    script=st.lists(st.sampled_from(STEPS), min_size=1, max_size=6).map(",".join),
    conditions=st.lists(
        st.sampled_from(["5xx", "reset", "connect-failure", "retriable-4xx", "gateway-error"]),
        max_size=3,
    ).map(",".join),
    num_retries=st.integers(0, 4),
    per_try=st.sampled_from([{}, {"per_try_timeout": "0.01s"}]),
    back_offs=st.lists(st.integers(0, 2**64 - 1), max_size=4),
)
def test_every_stream_ends_once_with_no_more_attempts_than_allowed(
    script: str,
    conditions: str,
    num_retries: int,
    per_try: dict[str, str],
    back_offs: list[int],
) -> None:
    action = {"timeout": "0.2s", **retrying(conditions, num_retries, **per_try)}
    one = mesh(action=action)

    played = run(one, script, draws=Listed(values={"back-off": back_offs}))

    assert played.finish.attempts <= num_retries + 1
    assert played.stream.on_response(10**9, Response(status=200)) is None
    assert played.stream.on_timeout(10**9) is None
    upstream = one.upstreams["live"]
    resources = upstream.resources("DEFAULT")
    assert (resources.requests, resources.retries) == (0, 0)
    assert all(host.active == 0 for host in upstream.hosts.values())
