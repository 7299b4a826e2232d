"""Send the same requests to a real Envoy and to a simulated proxy, and compare the two."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from simulator.envoy.commands import Attempt, Call, Response
from simulator.envoy.connection import Connection
from simulator.envoy.draws import Listed
from simulator.envoy.listener import Accepted
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.tls import Certificate
from tests.simulator.envoy.certificates import SERVER
from tests.simulator.envoy.playing import Played, cluster, play, proxy, scripted
from tests.simulator.envoy.real import (
    Answer,
    Backend,
    Envoy,
    running,
    script_step,
    step_headers,
)

TYPE = "type.googleapis.com/"
FILTERS = TYPE + "envoy.extensions.filters.http."
# What becomes of the connection afterwards (`connection`) is the codec's affair.
_VOLATILE = {
    "connection",
    "x-request-id",
    "date",
    "content-length",
    "x-envoy-upstream-service-time",
    "x-envoy-expected-rq-timeout-ms",
    "host",
}
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Case:
    """One request, and what the route that takes it says about the filters."""

    id: str
    own: dict[str, Any] = field(default_factory=dict)
    """`typed_per_filter_config` of a route of its own."""
    route: dict[str, Any] = field(default_factory=dict)
    """What that route does; it forwards unless this says else."""
    path: str = ""
    """What follows `/ID` in the path."""
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    host: str = "test"
    script: str = "200"
    listener: str = "main"
    client: str = ""
    """Which certificate the client shows (a name of the world's); empty: it speaks no TLS."""
    sni: str = "test"
    body: str = ""
    times: int = 1
    """How often it is sent; the last time counts."""


@dataclass
class World:
    """What the real Envoy did with every case, and the configuration it had."""

    answers: dict[str, Answer]
    seen: dict[str, list[dict[str, Any]]]
    asked: dict[str, list[dict[str, Any]]]
    """What filters asked the cluster `authority`, which does as the header `x-auth` says."""
    listeners: dict[str, dict[str, Any]]
    ports: dict[str, int]
    clusters: list[dict[str, Any]]
    certificates: dict[str, Certificate]
    epoch_ns: int
    """When the requests were sent."""
    proxies: dict[str, Proxy] = field(default_factory=dict)
    """The simulated ones, by listener."""

    def proxy(self, listener: str) -> Proxy:
        """Return the simulated proxy with a listener of this name."""
        if listener not in self.proxies:
            config = json.loads(json.dumps(self.listeners[listener]))
            config["address"]["socket_address"]["port_value"] = self.ports[listener]
            self.proxies[listener] = proxy(config, self.clusters, epoch_ns=self.epoch_ns)
        return self.proxies[listener]


def routes(cases: Iterable[Case], **table: Any) -> dict[str, Any]:
    """Return a route table with a route for each case."""
    found = [
        {
            "name": case.id,
            "match": {"prefix": f"/{case.id}"},
            **(case.route or {"route": {"cluster": "live"}}),
            **({"typed_per_filter_config": case.own} if case.own else {}),
        }
        # The longest first: one id may begin with another.
        for case in sorted(cases, key=lambda case: -len(case.id))
    ]
    host = {"name": "test", "domains": ["*"], "routes": found}
    return {"name": "r", "virtual_hosts": [host], **table}


def http_filter(name: str, kind: str, **config: Any) -> dict[str, Any]:
    """Return an HTTP filter in Envoy's JSON form."""
    return {"name": name, "typed_config": {"@type": FILTERS + kind, **config}}


@contextmanager
def world(
    cases: Sequence[Case],
    listeners: Sequence[dict[str, Any]],
    folder: Path,
    *,
    more_clusters: Sequence[dict[str, Any]] = (),
    certificates: dict[str, Certificate] | None = None,
    contexts: dict[str, ssl.SSLContext] | None = None,
) -> Iterator[World]:
    """Have a real Envoy answer every case, on connections of their own."""
    with Backend(1) as backend, Backend(1, "x-auth") as authority:
        clusters = [
            cluster("live", *backend.ports),
            cluster("authority", *authority.ports),
            *more_clusters,
        ]
        with (
            running(listeners, clusters, folder) as envoy,
            ThreadPoolExecutor(max_workers=4) as pool,
        ):
            answers = dict(
                zip(
                    [case.id for case in cases],
                    pool.map(lambda case: _ask(envoy, case, contexts or {}), cases),
                    strict=True,
                )
            )
            for name, line in envoy.logged(list(answers)).items():
                if name in answers:
                    answers[name].log = line
            ports = envoy.ports
        named = {each["name"]: each for each in listeners}
        yield World(
            answers,
            backend.seen,
            authority.seen,
            named,
            ports,
            clusters,
            certificates or {},
            time.time_ns(),
        )


def _ask(envoy: Envoy, case: Case, contexts: dict[str, ssl.SSLContext]) -> Answer:
    answers = [_ask_once(envoy, case, at, contexts) for at in range(case.times)]
    return answers[-1]


def _ask_once(envoy: Envoy, case: Case, at: int, contexts: dict[str, ssl.SSLContext]) -> Answer:
    port = envoy.ports[case.listener]
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    if case.client:
        client.connect()
        context = contexts[case.client]
        client.sock = context.wrap_socket(client.sock, server_hostname=case.sni)
    client.putrequest(
        case.method, f"/{case.id}{case.path}", skip_host=True, skip_accept_encoding=True
    )
    for name, value in (("host", case.host), *_sent(case, at)):
        client.putheader(name, value)
    client.endheaders(case.body.encode() or None)
    response = client.getresponse()
    body = response.read().decode()
    client.close()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)


def _sent(case: Case, at: int) -> tuple[tuple[str, str], ...]:
    # Only what is sent last is looked for afterwards.
    name = case.id if at == case.times - 1 else f"{case.id} before"
    return (("x-case", name), ("x-script", case.script), *case.headers)


def simulate(world: World, case: Case, *, explain: bool = False) -> tuple[Played, list[Call]]:
    """Send the same request to a simulated proxy of the same configuration, as often."""
    one = world.proxy(case.listener)
    connection = Connection(
        address="127.0.0.1",
        port=world.ports[case.listener],
        source_ip="127.0.0.1",
        transport="tls" if case.client else "raw_buffer",
        sni=case.sni if case.client else "",
        peer=world.certificates.get(case.client),
        local=SERVER if case.client else None,
    )
    accepted = one.accept(connection)
    assert isinstance(accepted, Accepted)
    assert accepted.http is not None
    for at in range(case.times):
        request = Request(
            method=case.method,
            authority=case.host,
            path=f"/{case.id}{case.path}",
            headers=tuple((name.lower(), value.strip()) for name, value in _sent(case, at)),
            body=case.body,
        )
        stream = one.stream(
            accepted.http, request, Listed(), connection=connection, explain=explain
        )
        calls: list[Call] = []
        played = play(stream, _stepped, partial(_told, case, calls))
    return played, calls


def _told(case: Case, calls: list[Call], call: Call) -> Response | None:
    """Answer what a filter asks, as the real authority does."""
    calls.append(call)
    step = script_step(dict(case.headers), "x-auth")
    if not step[0].isdigit():
        return None
    status, headers = step_headers(_named(step))
    sent = (("content-length", "2"), *headers)
    return Response(status=status, headers=sent, body="ok")


def _stepped(attempt: Attempt) -> str:
    """Do with an attempt as its request says, like the real backend."""
    script = dict(attempt.request.headers).get("x-script", "200")
    return _named(scripted(script)(attempt))


def _named(step: str) -> str:
    """Return a step of the simulated backend, which bears the real one's name."""
    return f"{step}+server:backend" if step[0].isdigit() else step


def _own_address() -> str:
    """Return this machine's address, which Envoy names in place of a loopback client's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(unsent.getsockname()[0])


OWN_ADDRESS = _own_address()


def check(world: World, case: Case) -> None:
    """Fail unless the simulated proxy did with a case as Envoy did."""
    answer, seen = world.answers[case.id], world.seen.get(case.id, [])
    played, calls = simulate(world, case)
    record, log, response = played.stream.record(), answer.log, played.finish.response
    assert response is not None
    got = {
        "status": response.status,
        "flags": ",".join(record.flags) or "-",
        "details": record.details,
        "route": record.route,
        "body": "" if case.method == "HEAD" else response.body,
        "headers": _lines(response.headers),
        "upstream": [_request(attempt.request) for attempt in played.attempts],
        "asked": [_request(call.request) for call in calls],
    }
    want = {
        "status": answer.status,
        "flags": log["flags"],
        "details": log["details"],
        "route": log["route"],
        "body": answer.body,
        "headers": _lines(answer.headers.items()),
        "upstream": [(each["line"], _lines(each["headers"])) for each in seen],
        "asked": [(each["line"], _lines(each["headers"])) for each in world.asked.get(case.id, [])],
    }
    differing = {key: (got[key], want[key]) for key in want if got[key] != want[key]}
    assert not differing, f"simulated, then real: {differing}"


def _request(request: Request) -> tuple[str, list[tuple[str, str]]]:
    return f"{request.method} {request.path} HTTP/1.1", _lines(request.headers)


def _lines(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(
        (name, value.replace(OWN_ADDRESS, "127.0.0.1") if name == "x-forwarded-for" else value)
        for name, value in headers
        if name not in _VOLATILE
    )
