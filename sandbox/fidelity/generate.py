"""Invent route tables and requests that are hard to get right.

A table's domains, prefixes and matchers overlap on purpose; the requests are made of the
pieces of the table that they go to, so that conditions are met, or missed by a little.
The same seed gives the same cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

CLUSTERS = ("c0", "c1", "c2")
"""Those that exist; `gone` does not."""
_HOSTS = ("a.test", "b.a.test", "x.b.a.test", "b-a.test", "test", "a.example")
_DOMAINS = (
    "a.test",
    "*.a.test",
    "*.b.a.test",
    "*-a.test",
    "a.*",
    "b.a.*",
    "a.test:81",
    "A.example",
)
_PATHS = ("/", "/a", "/a/b", "/a/b/c", "/ab", "/A/b", "/a//b", "/b", "/a/1", "/a/b;v=1")
_REGEXES = ("/a/[0-9]+", "/.*", "/(a|b)(/.*)?", "/a/?b?", "[a-z/]+")
_NAMES = ("x-a", "x-b", "x-c")
_COOKIES = ("u=1; v=one", "v=One", "u=", 'u="7"')
_VALUES = ("", "1", "7", "10", "-3", "one", "One", "one,two", "a b", "x" * 40)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as it is written on the wire."""

    method: str
    host: str
    path: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """One table and the requests that it is asked with."""

    table: Json
    asks: tuple[Ask, ...]


def batch(seed: int, number: int, asks: int) -> Batch:
    """Return the table of a number, and so many requests to it."""
    chance = Random(f"{seed}/{number}")
    table = _Maker(chance).table(number)
    return Batch(table, tuple(_ask(chance, table) for _ in range(asks)))


class _Maker:
    """Makes the parts of one table."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def table(self, number: int) -> Json:
        chance = self._chance
        domains = chance.sample(_DOMAINS, chance.randint(1, 3))
        if chance.random() < 0.8:
            domains.append("*")
        hosts = [self._host(at, domain) for at, domain in enumerate(domains)]
        table: Json = {
            "name": f"t{number}",
            "virtual_hosts": hosts,
            "validate_clusters": False,
            **self._headers(0.3),
        }
        for field in ("ignore_port_in_host_matching", "most_specific_header_mutations_wins",
                      "ignore_path_parameters_in_path_matching"):  # fmt: skip
            if chance.random() < 0.3:
                table[field] = True
        return table

    def _host(self, at: int, domain: str) -> Json:
        chance = self._chance
        host: Json = {
            "name": f"h{at}",
            "domains": [domain],
            "routes": [self._route(n) for n in range(chance.randint(1, 4))],
            **self._headers(0.3),
        }
        if chance.random() < 0.1:
            host["require_tls"] = chance.choice(("EXTERNAL_ONLY", "ALL"))
        for field in ("include_request_attempt_count", "include_attempt_count_in_response"):
            if chance.random() < 0.2:
                host[field] = True
        return host

    def _route(self, at: int) -> Json:
        chance = self._chance
        route = {"name": f"r{at}", "match": self._match(), **self._headers(0.3)}
        kind = chance.choices(("route", "redirect", "direct_response"), (8, 2, 1))[0]
        makers: dict[str, Callable[[], Json]] = {
            "route": self._forward, "redirect": self._redirect, "direct_response": self._direct,
        }  # fmt: skip
        return {**route, kind: makers[kind]()}

    def _match(self) -> Json:
        chance = self._chance
        kind = chance.choices(
            ("prefix", "path", "path_separated_prefix", "safe_regex"), (4, 3, 2, 2)
        )[0]
        match: Json = {}
        if kind == "safe_regex":
            match[kind] = {"regex": chance.choice(_REGEXES)}
        elif kind == "path_separated_prefix":
            match[kind] = chance.choice(("/a", "/a/b", "/b", "/A"))
        else:
            match[kind] = chance.choice(_PATHS)
        if chance.random() < 0.2:
            match["case_sensitive"] = chance.random() < 0.5
        if chance.random() < 0.35:
            match["headers"] = [self._header() for _ in range(chance.randint(1, 2))]
        if chance.random() < 0.3:
            match["query_parameters"] = [self._query()]
        if chance.random() < 0.2:
            match["cookies"] = [
                {"name": chance.choice("uv"), "string_match": self._text(),
                 **self._flag("invert_match", 0.4)}
            ]  # fmt: skip
        if chance.random() < 0.04:
            match["grpc"] = {}
        if chance.random() < 0.08:
            share = {"numerator": chance.choice((0, 100))}
            match["runtime_fraction"] = {"default_value": share}
        return match

    def _header(self) -> Json:
        chance = self._chance
        header: Json = {"name": chance.choice((*_NAMES, ":method", ":path", ":authority"))}
        kind = chance.choices(("string_match", "present_match", "range_match"), (5, 2, 2))[0]
        if kind == "string_match":
            header[kind] = self._text()
        elif kind == "present_match":
            header[kind] = chance.random() < 0.7
        else:
            header[kind] = {"start": chance.choice((-5, 1, 7)), "end": chance.choice((7, 10, 11))}
        header |= self._flag("invert_match", 0.3)
        return header | self._flag("treat_missing_header_as_empty", 0.2)

    def _query(self) -> Json:
        chance = self._chance
        parameter: Json = {"name": chance.choice("pq")}
        if chance.random() < 0.3:
            return {**parameter, "present_match": chance.random() < 0.7}
        return {**parameter, "string_match": self._text()}

    def _text(self) -> Json:
        chance = self._chance
        kind = chance.choice(("exact", "prefix", "suffix", "contains", "safe_regex"))
        if kind == "safe_regex":
            return {kind: {"regex": chance.choice(("[0-9]+", "o.*", ".*e", "one|1", ".+"))}}
        value = chance.choice(_VALUES[1:-1])
        return {kind: value} | self._flag("ignore_case", 0.3)

    def _flag(self, name: str, share: float) -> Json:
        return {name: True} if self._chance.random() < share else {}

    def _forward(self) -> Json:
        chance = self._chance
        action: Json = {}
        kind = chance.choices(("cluster", "weighted_clusters", "cluster_header"), (6, 2, 1))[0]
        if kind == "cluster":
            action[kind] = chance.choices((*CLUSTERS, "gone"), (4, 4, 4, 1))[0]
        elif kind == "cluster_header":
            action[kind] = "x-cluster"
        else:
            action[kind] = self._weighted()
        if chance.random() < 0.2:
            codes = ("SERVICE_UNAVAILABLE", "NOT_FOUND", "INTERNAL_SERVER_ERROR")
            action["cluster_not_found_response_code"] = chance.choice(codes)
        rewrite = chance.choices(("", "prefix_rewrite", "regex_rewrite"), (3, 2, 1))[0]
        if rewrite == "prefix_rewrite":
            action[rewrite] = chance.choice(("/", "/new", "/new/"))
        elif rewrite:
            action[rewrite] = self._substitution()
        return action | self._host_rewrite()

    def _host_rewrite(self) -> Json:
        chance = self._chance
        kind = chance.choices(
            ("", "host_rewrite_literal", "host_rewrite_header", "host_rewrite_path_regex"),
            (5, 1, 1, 1),
        )[0]
        action: Json = self._flag("append_x_forwarded_host", 0.2)
        if kind == "host_rewrite_literal":
            action[kind] = "new.host"
        elif kind == "host_rewrite_header":
            action[kind] = chance.choice(_NAMES)
        elif kind:
            action[kind] = {
                "pattern": {"regex": "^/([a-z]).*$"}, "substitution": "\\1.host",
            }  # fmt: skip
        return action

    def _substitution(self) -> Json:
        pattern, text = self._chance.choice(
            (("a", "z"), ("^/([^/]*)/(.*)$", "/\\2/\\1"), ("/+", "/"), ("b*", "_"))
        )
        return {"pattern": {"regex": pattern}, "substitution": text}

    def _weighted(self) -> Json:
        chance = self._chance
        weights = [chance.choice((0, 1, 50, 99, 100)) for _ in range(chance.randint(1, 3))]
        if not sum(weights):
            weights[0] = 1
        entries = [
            {"name": name, "weight": weight, **self._headers(0.3)}
            for name, weight in zip(CLUSTERS, weights, strict=False)
        ]
        # Without a header to tell, the choice would be the real Envoy's own.
        return {"clusters": entries, "header_name": "x-random"}

    def _redirect(self) -> Json:
        chance = self._chance
        action: Json = {}
        for field, value in (
            ("host_redirect", "new.host"),
            ("port_redirect", chance.choice((80, 443, 8080))),
            ("strip_query", True),
        ):
            if chance.random() < 0.3:
                action[field] = value
        action |= chance.choice(({}, {"https_redirect": True}, {"scheme_redirect": "https"}))
        action |= chance.choice(
            (
                {},
                {"path_redirect": "/p"},
                {"path_redirect": "/p?x=1"},
                {"path_redirect": "p"},
                {"prefix_rewrite": "/p"},
                {"regex_rewrite": self._substitution()},
            )
        )
        codes = ("MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT",
                 "PERMANENT_REDIRECT")  # fmt: skip
        return action | {"response_code": chance.choice(codes)}

    def _direct(self) -> Json:
        action: Json = {"status": self._chance.choice((200, 204, 404, 503))}
        if action["status"] != 204 and self._chance.random() < 0.6:
            action["body"] = {"inline_string": "said"}
        return action

    def _headers(self, share: float) -> Json:
        """Return changes of headers, which every level may have."""
        chance = self._chance
        out: Json = {}
        for side in ("request", "response"):
            if chance.random() < share:
                added = [self._added(side) for _ in range(chance.randint(1, 2))]
                out[f"{side}_headers_to_add"] = added
            if chance.random() < share / 2:
                out[f"{side}_headers_to_remove"] = [chance.choice((*_NAMES, "x-set"))]
        return out

    def _added(self, side: str) -> Json:
        chance = self._chance
        values = ["v", "%REQ(X-A)%", "%REQ(:PATH)%", "%ROUTE_NAME%"]
        if side == "response":
            values.append("%RESPONSE_CODE%")
        actions = ("APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD",
                   "OVERWRITE_IF_EXISTS")  # fmt: skip
        header = {"key": chance.choice((*_NAMES, "x-set")), "value": chance.choice(values)}
        return {"header": header, "append_action": chance.choice(actions),
                **self._flag("keep_empty_value", 0.2)}  # fmt: skip


def _ask(chance: Random, table: Json) -> Ask:
    host = chance.choice(table["virtual_hosts"])
    route = chance.choice(host["routes"])
    headers = _wanted(chance, route["match"])
    for name in _NAMES:
        headers += [(name, chance.choice(_VALUES)) for _ in range(_few(chance, 0.3))]
    headers += [("x-random", str(chance.choice((0, 1, 49, 50, 99, 100, 10**12))))] * _few(
        chance, 0.8
    )
    if chance.random() < 0.5:
        headers.append(("x-cluster", chance.choice((*CLUSTERS, "gone"))))
    cookies = [f"{name}={value}" for name, value in _met(chance, route["match"], "cookies")]
    if cookies or chance.random() < 0.2:
        headers.append(("cookie", "; ".join(cookies or [chance.choice(_COOKIES)])))
    if chance.random() < 0.05:
        headers.append(("content-type", "application/grpc"))
    if chance.random() < 0.1:
        headers.append(("x-forwarded-proto", chance.choice(("https", "http"))))
    return Ask(
        method=chance.choices(("GET", "POST", "HEAD", "PUT"), (6, 2, 1, 1))[0],
        host=_host_for(chance, host["domains"][0]),
        path=_path_for(chance, route["match"]),
        headers=tuple(headers),
    )


def _few(chance: Random, share: float) -> int:
    """Return how often a header comes: sometimes twice."""
    return (1 + (chance.random() < 0.15)) if chance.random() < share else 0


def _wanted(chance: Random, match: Json) -> list[tuple[str, str]]:
    """Return headers that a match asks for, most of the time."""
    return [pair for pair in _met(chance, match, "headers") if not pair[0].startswith(":")]


def _met(chance: Random, match: Json, field: str) -> Iterator[tuple[str, str]]:
    """Yield names and values that meet, or nearly meet, the matchers of a field."""
    for matcher in match.get(field, ()):
        if chance.random() < 0.2:
            continue
        text = matcher.get("string_match", {})
        value = next((text[k] for k in ("exact", "prefix", "suffix", "contains") if k in text), "")
        if "safe_regex" in text:
            value = chance.choice(("7", "one", "xone"))
        if "range_match" in matcher:
            ends = list(matcher["range_match"].values())
            value = str(chance.choice(ends) - chance.randint(0, 1))
        if value and "exact" not in text and chance.random() < 0.5:
            value = chance.choice((value + "1", "1" + value))
        yield matcher["name"], value or chance.choice(_VALUES)


def _host_for(chance: Random, domain: str) -> str:
    host = chance.choice(_HOSTS)
    if chance.random() < 0.7:
        host = domain.replace("*", chance.choice(("x", "x.y", "")) if len(domain) > 1 else host)
    if chance.random() < 0.1:
        host = host.upper()
    if chance.random() < 0.15 and ":" not in host:
        host += chance.choice((":80", ":81"))
    return host or "a.test"


def _path_for(chance: Random, match: Json) -> str:
    path = next((match[k] for k in ("prefix", "path", "path_separated_prefix") if k in match), None)
    if path is None or chance.random() < 0.2:
        path = chance.choice(_PATHS)
    path += chance.choices(("", "/", "/x", "x", "/1"), (5, 1, 2, 1, 1))[0]
    if chance.random() < 0.1:
        path = path.swapcase()
    query = [
        f"{name}={value}"
        for name, value in _met(chance, match, "query_parameters")
        if " " not in value
    ]
    query += [
        f"{name}={value}"
        for name in "pq"
        for value in chance.sample(("1", "one", "One", "", "a%20b"), _few(chance, 0.2))
    ]
    return path + ("?" + "&".join(query) if query else "")
