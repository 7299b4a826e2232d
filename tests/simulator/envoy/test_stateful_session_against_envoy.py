"""Sessions that stay at their host, against the real Envoy: who is asked, and what is told."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from simulator.envoy.commands import Attempt
from simulator.envoy.request import Request
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

NAME = "envoy.filters.http.stateful_session"
FILTER = "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3."
STATE = "type.googleapis.com/envoy.extensions.http.stateful_session."
COOKIE, HEADER, TOLD = "stay", "x-stay", "set-cookie"
STATUSES = ("UNKNOWN", "HEALTHY", "DEGRADED", "UNHEALTHY", "DRAINING", "TIMEOUT")
"""Of the hosts, in order."""


def by_cookie(**cookie: Any) -> dict[str, Any]:
    typed = {"@type": STATE + "cookie.v3.CookieBasedSessionState"}
    state = {"name": "envoy.http.stateful_session.cookie"}
    return {
        "session_state": state | {"typed_config": typed | {"cookie": {"name": COOKIE, **cookie}}}
    }


def by_header() -> dict[str, Any]:
    typed = {"@type": STATE + "header.v3.HeaderBasedSessionState", "name": HEADER}
    return {"session_state": {"name": "envoy.http.stateful_session.header", "typed_config": typed}}


@dataclass(frozen=True)
class Case:
    id: str
    config: dict[str, Any]
    asked: str | int | None = None
    """The session's host: a number among the cluster's hosts, or whatever is sent, encoded."""
    packed: bool = False
    """Whether it is sent in a message, as cookies have it."""
    expires: int = 0
    raw: str = ""
    """What is sent as it is."""
    more: dict[str, Any] = field(default_factory=dict)
    """Of the cluster."""
    disabled: bool = False
    script: str = "200"
    path: str = ""


def statuses(*names: str) -> dict[str, Any]:
    return {"common_lb_config": {"override_host_status": {"statuses": list(names)}}}


RETRIED = {"retry_on": "5xx", "num_retries": 1}
NOWHERE = "127.0.0.9:1"
FAR = 2**40
SECOND = 1_000_000_000
ASKED, DRAWN = 1, 0
PLAIN = by_cookie()
STRICT = {"strict": True}
CASES = [
    Case("a-first-visit", PLAIN),
    Case("a-first-visit-by-header", by_header()),
    Case("a-cookie-that-lasts", by_cookie(ttl="120s")),
    Case("a-cookie-for-a-path", by_cookie(ttl="120s", path="/a-cookie-for-a-path/")),
    Case("another-path", by_cookie(path="/elsewhere")),
    Case("a-path-without-a-slash", by_cookie(path="/a-path-without-a-slash")),
    Case("back-again", PLAIN, 1, packed=True),
    Case("back-again-in-time", by_cookie(ttl="5s"), 1, packed=True, expires=FAR),
    Case("back-again-by-header", by_header(), 1),
    Case("an-address-that-is-not-packed", PLAIN, 1),
    Case("a-host-that-is-gone", PLAIN, NOWHERE, packed=True),
    Case("a-host-that-is-gone-by-header", by_header(), NOWHERE),
    Case("strict-and-gone", by_cookie() | STRICT, NOWHERE, packed=True),
    Case("strict-and-gone-by-header", by_header() | STRICT, NOWHERE),
    Case(
        "strict-and-gone-with-a-status",
        by_header() | STRICT | {"status_on_strict_destination_not_found": 410},
        NOWHERE,
    ),
    Case(
        "a-status-without-strict",
        by_header() | {"status_on_strict_destination_not_found": 410},
        NOWHERE,
    ),
    Case("strict-and-there", by_header() | STRICT, 0),
    Case("strict-and-new", by_header() | STRICT),
    Case("no-base64", by_header(), raw="!!!"),
    Case("no-base64-in-the-cookie", PLAIN, raw="!!!"),
    Case("an-empty-cookie", PLAIN, raw=""),
    Case("no-state", {}, NOWHERE),
    Case("switched-off", by_header(), NOWHERE, disabled=True),
    Case("a-retry-goes-elsewhere", by_header() | STRICT, 0, script="503,200"),
    Case("its-host-fails", by_header(), 0, script="close"),
    *(
        Case(f"{name.lower()}-is-asked", by_header() | STRICT, at)
        for at, name in enumerate(STATUSES)
    ),
    *(
        Case(f"{name.lower()}-may-be", by_header() | STRICT, at, more=statuses(name))
        for at, name in enumerate(STATUSES)
    ),
    Case("nobody-may-be", by_header() | STRICT, 0, more=statuses()),
    Case("unknown-is-not-healthy", by_header() | STRICT, 0, more=statuses("HEALTHY")),
    Case("healthy-is-not-unknown", by_header() | STRICT, 1, more=statuses("UNKNOWN")),
]


def clusters(ports: list[int]) -> list[dict[str, Any]]:
    found = []
    for case in CASES:
        one = cluster(case.id, *ports, **case.more)
        hosts = one["load_assignment"]["endpoints"][0]["lb_endpoints"]
        for host, status in zip(hosts, STATUSES, strict=True):
            host["health_status"] = status
        found.append(one)
    return found


def listener() -> dict[str, Any]:
    routes = []
    for case in CASES:
        own: dict[str, Any] = {"stateful_session": case.config}
        if case.disabled:
            own = {"disabled": True}
        routes.append(
            {
                "match": {"prefix": f"/{case.id}/"},
                "route": {"cluster": case.id}
                | ({"retry_policy": RETRIED} if "," in case.script else {}),
                "typed_per_filter_config": {
                    NAME: {"@type": FILTER + "StatefulSessionPerRoute", **own}
                },
            }
        )
    host = {
        "name": "h",
        "domains": ["*"],
        "routes": routes,
        "include_request_attempt_count": True,
    }
    table = {"name": "r", "virtual_hosts": [host]}
    typed = {"@type": FILTER + "StatefulSession", **by_cookie(path="/nowhere")}
    return http_listener("main", table, [{"name": NAME, "typed_config": typed}])


def packed(address: str, expires: int) -> bytes:
    """Return a message whose field 1 is the address, and field 2 when it expires."""
    told = bytes([0x0A, len(address)]) + address.encode()
    if not expires:
        return told
    digits = []
    while expires > 0x7F:
        digits.append(expires & 0x7F | 0x80)
        expires >>= 7
    return told + bytes([0x10, *digits, expires])


def sent(case: Case, ports: list[int]) -> dict[str, str]:
    asked = f"127.0.0.1:{ports[case.asked]}" if isinstance(case.asked, int) else case.asked
    value = case.raw
    if asked is not None:
        plain = packed(asked, case.expires) if case.packed else asked.encode()
        value = b64encode(plain).decode()
    in_header = "header" in json.dumps(case.config)
    told = {HEADER: value} if in_header else {"cookie": f"{COOKIE}={value}"}
    return {"x-script": case.script, **(told if asked is not None or case.raw else {})}


def told(headers: dict[str, str], host: str | None) -> list[str]:
    """Return what the client is told, with a mark in place of the host that served it."""
    found = []
    if HEADER in headers:
        found.append(b64decode(headers[HEADER]).decode())
    if TOLD in headers:
        value = headers[TOLD].split('"')[1]
        message = b64decode(value)
        address = message[2 : 2 + message[1]].decode()
        rest = "expires" if message[2 + message[1] :] else ""
        found += [address, rest, headers[TOLD].replace(value, "")]
    return [each.replace(host or "nobody", "HOST") for each in found]


@dataclass
class World:
    seen: dict[str, tuple[int, str, bool, list[str]]]
    ports: list[int]
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(len(STATUSES)) as backend:
        ports = backend.ports
        configured = clusters(ports)
        with running([listener()], configured, tmp_path_factory.mktemp("envoy")) as envoy:
            answers = {
                case.id: envoy.ask(case.id, f"/{case.id}/{case.path}", sent(case, ports))
                for case in CASES
            }
            logs = envoy.logged([case.id for case in CASES])
        seen = {}
        for case in CASES:
            answer, log = answers[case.id], logs[case.id]
            seen[case.id] = outcome(
                case, ports, answer.status, log["flags"], log["host"], answer.headers
            )
        yield World(seen, ports, configured)


def outcome(
    case: Case, ports: list[int], status: int, flags: str, host: str | None, headers: dict[str, str]
) -> tuple[int, str, bool, list[str]]:
    own = isinstance(case.asked, int) and host == f"127.0.0.1:{ports[case.asked]}"
    alone = own and "," not in case.script
    return status, flags, alone, [] if "," in case.script else told(headers, host)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_sessions(world: World, case: Case) -> None:
    one = proxy(listener(), world.clusters)
    request = Request(
        method="GET",
        authority="test",
        path=f"/{case.id}/{case.path}",
        headers=tuple(sent(case, world.ports).items()),
    )
    played = play(streamed(one, request), scripted(case.script))
    record, response = played.stream.record(), played.finish.response
    assert response is not None
    got = outcome(
        case,
        world.ports,
        response.status,
        ",".join(record.flags) or "-",
        record.endpoint,
        dict(response.headers),
    )
    assert got == world.seen[case.id]


@pytest.mark.parametrize(
    ("expires", "want"),
    [
        pytest.param(0, ASKED, id="for-ever"),
        pytest.param(11, ASKED, id="later"),
        pytest.param(10, ASKED, id="in-this-second"),
        pytest.param(9, DRAWN, id="a-second-ago"),
    ],
)
def test_a_cookie_expires(expires: int, want: int) -> None:
    case = next(each for each in CASES if each.id == "back-again-in-time")
    ports = [*range(8001, 8001 + len(STATUSES))]
    one = proxy(listener(), clusters(ports))
    headers = sent(replace(case, expires=expires), ports)
    request = Request(
        method="GET", authority="test", path=f"/{case.id}/", headers=tuple(headers.items())
    )

    command = streamed(one, request).start(10 * SECOND)

    assert isinstance(command, Attempt)
    assert command.endpoint.port == ports[want]
