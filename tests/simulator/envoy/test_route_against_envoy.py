"""Routing against the real Envoy: the same table, the same requests, the same answers.

Half of the tables are written by hand, for what is easily got wrong; half are thrown
together from all kinds of conditions and changes, with a fixed seed.
"""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.compile import compile_route_table
from simulator.envoy.grpc import is_grpc
from simulator.envoy.headers import finalize_request, finalize_response, respond
from simulator.envoy.request import Request
from simulator.envoy.route import Action, NoRoute, RouteTable, find
from simulator.envoy_api import parse
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

_TEMPLATE = "type.googleapis.com/envoy.extensions.path.{0}.uri_template.v3.UriTemplate{1}Config"


def _words(text: str) -> list[str]:
    return text.split()


_VOLATILE = frozenset(
    {
        "x-request-id",
        "x-forwarded-proto",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-upstream-service-time",
        "x-envoy-internal",
    }
)
_PATHS = _words(
    "/ /foo /foo/ /foo/bar /Foo/BAR /foobar /foo?x=1 /foo/bar?x=1&y=2&x=3 /foo?y /foo?x= /a.b "
    "/a/b/c /foo;v=1/bar /x%2Fy /foo/bar/?q=a%20b /en/page-7.html /foo//bar"
)
_NAMES = ("x-a", "x-b", "x-c")
_VALUES = ("1", "15", "-3", "abc", "ABC", "a,b", "abcdef", "x abc", "7.5", "99999999999999999999")
_HOSTS = _words(
    "exact.test EXACT.test exact.test:8080 a.suffix.test b.a.suffix.test .suffix.test suffix.test "
    "x-bar.suffix.test prefix.one prefix. prefix-x other.test 10.0.0.1 10.0.0.1:80 [::1]:80"
)


@dataclass(frozen=True)
class Sent:
    """One request, on the wire."""

    case: str
    table: str
    host: str
    path: str
    headers: tuple[tuple[str, str], ...]
    method: str = "GET"

    def request(self) -> Request:
        headers = (("x-case", self.case), *self.headers)
        return Request(
            method=self.method, authority=self.host, path=self.path, headers=headers, scheme="http"
        )


@dataclass(frozen=True)
class Seen:
    """What came of a request."""

    status: int
    route: str
    location: str
    response: tuple[tuple[str, str], ...]
    upstream: tuple[str, ...] | None


def _plain(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers that routing touches, lines of a name joined, sorted."""
    joined: dict[str, list[str]] = {}
    for name, value in headers:
        if name.startswith("x-") and name not in _VOLATILE:
            joined.setdefault(name, []).append(value)
    return tuple(sorted((name, ",".join(values)) for name, values in joined.items()))


# -- the tables -----------------------------------------------------------------------------


def _header(value: str, name: str = "x-set", action: str = "APPEND_IF_EXISTS_OR_ADD") -> Any:
    return {"header": {"key": name, "value": value}, "append_action": action}


_ACTIONS = (
    "APPEND_IF_EXISTS_OR_ADD",
    "ADD_IF_ABSENT",
    "OVERWRITE_IF_EXISTS_OR_ADD",
    "OVERWRITE_IF_EXISTS",
)


class Maker:
    """Throws routes together."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def text(self) -> dict[str, Any]:
        kind = self.chance.choice(("exact", "prefix", "suffix", "contains", "safe_regex"))
        value = self.chance.choice(("1", "abc", "ABC", "a", "c", "a,b"))
        if kind == "safe_regex":
            return {
                kind: {"regex": self.chance.choice(("[a-z]+", "a.*", r"\d+", "(?i)abc", "1|15"))}
            }
        return {kind: value, "ignore_case": self.chance.random() < 0.3}

    def header(self) -> dict[str, Any]:
        matcher: dict[str, Any] = {"name": self.chance.choice(_NAMES)}
        kind = self.chance.choice(
            ("string_match", "string_match", "range_match", "present", "none")
        )
        if kind == "string_match":
            matcher["string_match"] = self.text()
        elif kind == "range_match":
            matcher["range_match"] = {"start": self.chance.choice((-5, 1, 10)), "end": 16}
        elif kind == "present":
            matcher["present_match"] = self.chance.random() < 0.5
        matcher["invert_match"] = self.chance.random() < 0.3
        matcher["treat_missing_header_as_empty"] = self.chance.random() < 0.2
        return matcher

    def query(self) -> dict[str, Any]:
        matcher: dict[str, Any] = {"name": self.chance.choice(("x", "y", "z"))}
        kind = self.chance.random()
        if kind < 0.4:
            matcher["string_match"] = {"exact": self.chance.choice(("1", "2", ""))}
        elif kind < 0.8:
            matcher["present_match"] = self.chance.random() < 0.6
        return matcher

    def cookie(self) -> dict[str, Any]:
        return {
            "name": self.chance.choice(("user", "id")),
            "string_match": self.text(),
            "invert_match": self.chance.random() < 0.3,
        }

    def match(self) -> dict[str, Any]:
        chance = self.chance
        kind = chance.choice(("prefix", "path", "safe_regex", "path_separated_prefix", "template"))
        match: dict[str, Any]
        if kind == "safe_regex":
            match = {kind: {"regex": chance.choice(("/foo.*", "/[a-z]+", ".*bar", "/a.b", "/fo"))}}
        elif kind == "template":
            template = chance.choice(("/{a}/{b}", "/foo/{rest=**}", "/*/{page}.html", "/foo/*"))
            match = {
                "path_match_policy": {
                    "name": "envoy.path.match.uri_template.uri_template_matcher",
                    "typed_config": {
                        "@type": _TEMPLATE.format("match", "Match"),
                        "path_template": template,
                    },
                }
            }
        elif kind == "path_separated_prefix":
            match = {kind: chance.choice(("/foo", "/Foo", "/a/b"))}
        else:
            match = {kind: chance.choice(("/", "/foo", "/foo/", "/foo/bar", "/FOO", "/a"))}
        if chance.random() < 0.3:
            match["case_sensitive"] = False
        match["headers"] = [self.header() for _ in range(chance.choice((0, 0, 1, 1, 2)))]
        match["query_parameters"] = [self.query() for _ in range(chance.choice((0, 0, 0, 1)))]
        match["cookies"] = [self.cookie() for _ in range(chance.choice((0, 0, 0, 0, 1)))]
        return match

    def mutations(self, what: str) -> dict[str, Any]:
        chance = self.chance
        values = ("one", "%REQ(x-a)%", "p-%REQ(x-missing?x-b):2%-s", "100%%", "%REQ(x-missing)%")
        adds = [
            _header(
                chance.choice(values), chance.choice((*_NAMES, "x-new")), chance.choice(_ACTIONS)
            )
            for _ in range(chance.choice((0, 0, 1, 2)))
        ]
        removed = [chance.choice(_NAMES)] if chance.random() < 0.2 else []
        return {f"{what}_headers_to_add": adds, f"{what}_headers_to_remove": removed}

    def action(self, match: dict[str, Any]) -> dict[str, Any]:
        chance = self.chance
        kind = chance.choice(("route", "route", "route", "direct_response", "redirect"))
        if kind == "direct_response":
            return {
                kind: {
                    "status": chance.choice((200, 201, 302, 404)),
                    "body": {"inline_string": "x"},
                }
            }
        if kind == "redirect":
            return {kind: self.redirect(template="path_match_policy" in match)}
        return {kind: self.forward(template="path_match_policy" in match)}

    def redirect(self, *, template: bool) -> dict[str, Any]:
        chance = self.chance
        out: dict[str, Any] = {
            "response_code": chance.choice(("MOVED_PERMANENTLY", "FOUND", "SEE_OTHER")),
            "strip_query": chance.random() < 0.3,
        }
        if chance.random() < 0.5:
            out["host_redirect"] = "new.test"
        if chance.random() < 0.3:
            out["port_redirect"] = 8443
        if chance.random() < 0.5:
            out |= chance.choice(({"https_redirect": True}, {"scheme_redirect": "ftp"}))
        path = chance.choice(("path", "query", "prefix", "regex", "none"))
        if path == "path":
            out["path_redirect"] = "/elsewhere"
        elif path == "query":
            out["path_redirect"] = "/elsewhere?z=1"
        elif path == "prefix" and not template:
            out["prefix_rewrite"] = "/pre"
        elif path == "regex":
            out["regex_rewrite"] = {"pattern": {"regex": "o+(.?)"}, "substitution": r"0\1"}
        return out

    def forward(self, *, template: bool) -> dict[str, Any]:
        chance = self.chance
        out: dict[str, Any] = {"cluster": "live", "timeout": "0s"}
        if chance.random() < 0.2:
            del out["cluster"]
            weights = [
                {"name": "live", "weight": 1, "host_rewrite_literal": "weighted.test"},
                {
                    "name": "live",
                    "weight": 2,
                    **self.mutations("request"),
                    **self.mutations("response"),
                },
            ]
            out["weighted_clusters"] = {"clusters": weights, "header_name": "x-random"}
        path = chance.choice(("none", "prefix", "regex", "template"))
        if path == "prefix" and not template:
            out["prefix_rewrite"] = chance.choice(("/", "/new", "/new/"))
        elif path == "regex":
            out["regex_rewrite"] = {
                "pattern": {"regex": chance.choice(("o", "^/(.)", "x*", "/$"))},
                "substitution": chance.choice(("0", "<>", "")),
            }
        host = chance.choice(("none", "host_rewrite_literal", "host_rewrite_header", "regex"))
        if host == "regex":
            rewrite = {"pattern": {"regex": "^/([a-z]+).*$"}, "substitution": r"\1.test"}
            out["host_rewrite_path_regex"] = rewrite
        elif host != "none":
            out[host] = "x-b" if host == "host_rewrite_header" else "literal.test"
        out["append_x_forwarded_host"] = chance.random() < 0.3
        return out

    def route(self, name: str) -> dict[str, Any]:
        match = self.match()
        action = self.action(match)
        out = {"name": name, "match": match, **action, **self.mutations("response")}
        return out | (self.mutations("request") if "route" in action else {})

    def host(self, at: int) -> dict[str, Any]:
        routes = [self.route(f"h{at}r{n}") for n in range(6)]
        levels = self.mutations("request") | self.mutations("response")
        return {"name": f"h{at}", "domains": [f"h{at}.test"], "routes": routes, **levels}

    def table(self, name: str, hosts: int) -> dict[str, Any]:
        return {
            "name": name,
            "virtual_hosts": [self.host(at) for at in range(hosts)],
            "most_specific_header_mutations_wins": self.chance.random() < 0.5,
            **self.mutations("request"),
            **self.mutations("response"),
        }


def _direct(name: str, match: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "match": match, "direct_response": {"status": 200}}


def hosts_table(name: str, **options: bool) -> dict[str, Any]:
    """Return virtual hosts of every kind, each with one route of its name."""
    domains = {
        "exact": ["exact.test", "10.0.0.1"],
        "suffix": ["*.suffix.test"],
        "longer-suffix": ["*-bar.suffix.test", "*.a.suffix.test"],
        "prefix": ["prefix.*", "prefix-*"],
        "port": ["exact.test:8080"],
        "any": ["*"],
    }
    hosts = [
        {"name": host, "domains": names, "routes": [_direct(host, {"prefix": "/"})]}
        for host, names in domains.items()
    ]
    return {"name": name, "virtual_hosts": hosts, **options}


def special_table() -> dict[str, Any]:
    """Return routes for what is easily got wrong."""
    live = {"cluster": "live"}
    rewrite = {
        "name": "envoy.path.rewrite.uri_template.uri_template_rewriter",
        "typed_config": {
            "@type": _TEMPLATE.format("rewrite", "Rewrite"),
            "path_template_rewrite": "/{b}/{a}",
        },
    }
    template = {
        "name": "envoy.path.match.uri_template.uri_template_matcher",
        "typed_config": {"@type": _TEMPLATE.format("match", "Match"), "path_template": "/{a}/{b}"},
    }
    percent = {"numerator": 0, "denominator": "HUNDRED"}
    routes: list[dict[str, Any]] = [
        _direct("never", {"prefix": "/", "runtime_fraction": {"default_value": percent}}),
        _direct("grpc", {"prefix": "/", "grpc": {}}),
        _direct("query-in-prefix", {"prefix": "/foo?"}),
        _direct("pseudo", {"prefix": "/", "headers": [{"name": ":method", "exact_match": "PUT"}]}),
        _direct("params", {"path": "/foo;v=1/bar"}),
        {
            "name": "swapped",
            "match": {"path_match_policy": template},
            "route": live | {"path_rewrite_policy": rewrite},
        },
        {"name": "slashes", "match": {"prefix": "/foo"}, "route": live | {"prefix_rewrite": "/"}},
    ]
    return {
        "name": "special",
        "virtual_hosts": [
            {"name": "all", "domains": ["h0.test"], "routes": routes},
            {
                "name": "tls",
                "domains": ["h1.test"],
                "require_tls": "ALL",
                "routes": [_direct("tls", {"prefix": "/"})],
            },
            {"name": "empty", "domains": ["h2.test"]},
        ],
        "ignore_path_parameters_in_path_matching": False,
    }


TABLES = {
    "random-1": Maker(31).table("random-1", 10),
    "random-2": Maker(2).table("random-2", 10),
    "hosts": hosts_table("hosts"),
    "ports-ignored": hosts_table("ports-ignored", ignore_port_in_host_matching=True),
    "special": special_table(),
}


def requests() -> Iterator[Sent]:
    """Yield every request."""
    for table in ("hosts", "ports-ignored"):
        for host in _HOSTS:
            yield Sent(f"{table} {host}", table, host, "/", ())
    chance = random.Random(3)
    for at in range(500):
        table = chance.choice(("random-1", "random-2", "special"))
        names = chance.sample(_NAMES, chance.choice((0, 1, 1, 2)))
        headers = [(name, chance.choice(_VALUES)) for name in names]
        if names and chance.random() < 0.3:
            headers.append((names[0], chance.choice(_VALUES)))
        if chance.random() < 0.3:
            headers.append(("cookie", chance.choice(("user=abc", "id=1; user=ABC", 'user="a"'))))
        if chance.random() < 0.1:
            headers.append(
                ("content-type", chance.choice(("application/grpc", "application/grpcx")))
            )
        # Weights must not depend on Envoy's own random value.
        headers.append(("x-random", chance.choice(("0", "1", "2", "7"))))
        host = f"h{chance.randrange(3 if table == 'special' else 10)}.test"
        if chance.random() < 0.1:
            host += ":80"
        method = chance.choice(("GET", "GET", "PUT"))
        yield Sent(f"{at}", table, host, chance.choice(_PATHS), tuple(headers), method)


# -- both planes ----------------------------------------------------------------------------


def simulated(table: RouteTable, sent: Sent) -> Seen:
    """Return what the simulator makes of a request."""
    request = sent.request()
    match = find(table, request, 0)
    # To gRPC, Envoy's own answers are 200 with the status in `grpc-status`: the stream's part.
    grpc = 200 if is_grpc(request) else 0
    if isinstance(match, NoRoute):
        return Seen(grpc or 404, "-", "", (), None)
    route = match.route.name or "-"
    if match.route.action is not Action.ROUTE:
        answer = respond(match, request)
        location = dict(answer.headers).get("location", "")
        return Seen(grpc or answer.status, route, location, _plain(answer.headers), None)
    upstream = finalize_request(match, request)
    line = (upstream.method, upstream.path, upstream.authority)
    response = finalize_response(match, (), request=upstream, status=200)
    told = tuple(f"{name}: {value}" for name, value in _plain(upstream.headers))
    return Seen(200, route, "", _plain(response), (*line, *told))


def ask(port: int, sent: Sent) -> tuple[int, list[tuple[str, str]]]:
    """Send a request; return the status and the response's headers."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.putrequest(sent.method, sent.path, skip_host=True, skip_accept_encoding=True)
    for name, value in (("host", sent.host), ("x-case", sent.case), *sent.headers):
        client.putheader(name, value)
    client.endheaders()
    response = client.getresponse()
    response.read()
    client.close()
    return response.status, [(name.lower(), value) for name, value in response.getheaders()]


def arrived(seen: dict[str, Any]) -> tuple[str, ...]:
    """Return how a request arrived at the backend, in the form of `Seen.upstream`."""
    method, path, _ = seen["line"].split(" ")
    headers = seen["headers"]
    host = dict(headers)["host"]
    return (method, path, host, *(f"{name}: {value}" for name, value in _plain(headers)))


def test_same_answers(tmp_path: Path) -> None:
    sent = list(requests())
    with Backend(1) as backend:
        endpoint = {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": backend.ports[0]}}
        }
        live = {
            "name": "live",
            "type": "STATIC",
            "load_assignment": {
                "cluster_name": "live",
                "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
            },
        }
        listeners = [http_listener(name, table, []) for name, table in TABLES.items()]
        with running(listeners, [live], tmp_path) as envoy:
            answers = [ask(envoy.ports[one.table], one) for one in sent]
            log = envoy.logged([one.case for one in sent])
    tables = {
        name: compile_route_table(parse(table, "envoy.config.route.v3.RouteConfiguration"))
        for name, table in TABLES.items()
    }
    different = []
    for one, (status, headers) in zip(sent, answers, strict=True):
        attempts = backend.seen.get(one.case)
        real = Seen(
            status,
            log[one.case]["route"] or "-",
            dict(headers).get("location", ""),
            _plain(headers),
            arrived(attempts[0]) if attempts else None,
        )
        model = simulated(tables[one.table], one)
        if model != real:
            different.append(f"{json.dumps(one.__dict__)}\n  real      {real}\n  simulated {model}")
    assert not different, f"{len(different)} of {len(sent)}:\n" + "\n".join(different[:8])
