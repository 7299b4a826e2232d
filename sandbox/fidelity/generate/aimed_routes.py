"""Invent listeners about one rare field of routes or of the connection manager each."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.aims import Aim, Maker, each, filtered, forward, listening
from sandbox.fidelity.generate.case import FULL, NAMED, PORT, Json

_ELSE: Json = {"name": "else", "match": {"prefix": "/"}, "direct_response": {"status": 404}}

_INTERNAL: Json = {
    "internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}
}


def _case(chance: Random, at: int) -> Aim:
    way = chance.choice(("exact", "prefix", "suffix", "contains"))
    text = {"string_match": {way: "One", "ignore_case": True}}
    ways: tuple[Json, ...] = (
        {"prefix": "/", "headers": [{"name": "x-a", **text}]},
        {"prefix": "/", "query_parameters": [{"name": "p", **text}]},
        {"prefix": "/", "query_parameters": [{"name": "p", "present_match": True}]},
        {chance.choice(("prefix", "path")): "/A", "case_sensitive": False},
        {"path": "/a"},
        {"connect_matcher": {}},
    )
    table = {"ignore_path_parameters_in_path_matching": True}
    return Aim(
        listener=listening([{**forward(), "match": ways[at]}, _ELSE], table=table),
        headers=(("x-a", (None, "one", "ONE", "One", "two")),),
        paths=("/a", "/a;v=1", "/a?p=one", "/a?p=ONE", "/b?p=two"),
    )


def _tls(chance: Random) -> Aim:
    match = {"prefix": "/", "tls_context": {chance.choice(("validated", "presented")): True}}
    return Aim(listener=listening([{**forward(), "match": match}, _ELSE]))


def _removed(chance: Random, at: int) -> Aim:
    """Remove headers at one of the four levels."""
    remove = {"request_headers_to_remove": ["x-a"], "response_headers_to_remove": ["x-said"]}
    levels: list[Json] = [{}, {}, {}, {}]
    levels[at] = remove
    entry: Json = {"name": "c0", "weight": 100, **levels[0]}
    if chance.random() < 0.4:
        entry = {"cluster_header": "x-last", "weight": 100, **levels[0]}
    weighted = {"clusters": [entry], "header_name": "x-random"}
    route = {"name": "r", "match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}
    return Aim(
        listener=listening([route | levels[1]], host=levels[2], table=levels[3]),
        headers=(
            ("x-random", ("1", "50")),
            ("x-last", ("c0", "c1", "c2", "gone")),
            ("x-a", ("1", "one", None)),
        ),
        scripts=(("200+x-said:one",), ("200",)),
    )


def _matched(_: Random, at: int) -> Aim:
    ways: tuple[Json, ...] = (
        {"present_match": True},
        {"range_match": {"start": 1, "end": 9}},
        {"range_match": {"start": 7, "end": 9}},
        {"string_match": {"safe_regex": {"regex": "[0-9]*"}},
         "treat_missing_header_as_empty": True},
        {"string_match": {"exact": "7"}, "invert_match": True},
    )  # fmt: skip
    match = {"prefix": "/", "headers": [{"name": "x-a", **ways[at]}]}
    return Aim(
        listener=listening([{**forward(), "match": match}, _ELSE]),
        headers=(("x-a", (None, "5", "7", "one")),),
    )


def _answered(_: Random, at: int) -> Aim:
    substitution = {"pattern": {"regex": "a"}, "substitution": "z"}
    ways: tuple[Json, ...] = (
        forward("gone", cluster_not_found_response_code="NOT_FOUND"),
        {**_ELSE, "direct_response": {"status": 200, "body": {"inline_bytes": "c2FpZA=="}}},
        {"match": {"prefix": "/"}, "redirect": {"regex_rewrite": substitution}},
    )
    return Aim(listener=listening([ways[at]]), paths=("/a", "/ba"))


def _hashed(chance: Random, at: int) -> Aim:
    cookie: Json = {"name": "u", "ttl": chance.choice(("0s", "9s")), "path": "/p"}
    cookie["attributes"] = [{"name": "SameSite", "value": "Strict"}, {"name": "Secure"}]
    rewrite = {"pattern": {"regex": "[a-m]+"}, "substitution": "z"}
    first: Json = {"header": {"header_name": "x-a"}, "terminal": True}
    ways: tuple[list[Json], ...] = (
        [{"cookie": cookie}],
        [{"cookie": {"name": "u"}}],
        [{"header": {"header_name": "x-a", "regex_rewrite": rewrite}}],
        [first, {"header": {"header_name": "x-b"}}],
        [{"filter_state": {"key": "test.state"}}],
        [{"connection_properties": {"source_ip": True}}],
        [{"query_parameter": {"name": "p"}}],
    )
    policies = ways[at]
    state = {
        "on_request_headers": [
            {
                "object_key": "test.state",
                "factory_key": "envoy.hashable_string",
                "format_string": {"text_format_source": {"inline_string": "one"}},
            }
        ]
    }
    return Aim(
        listener=listening(
            [forward(chance.choice(("ring", "maglev")), hash_policy=policies)],
            [filtered("state", "set_filter_state.v3.Config", state)],
        ),
        headers=(
            ("x-a", (None, "abc", "one", "nnn", "1")),
            ("x-b", (None, "one", "2", "3")),
            ("cookie", (None, None, "v=1", "u=one", "u=2", "v=1; u=3")),
        ),
        paths=("/a?p=one", "/a?p=2", "/a?p=three"),
    )


def _to_odd_clusters(chance: Random, at: int) -> Aim:
    route = (
        forward(NAMED, auto_host_rewrite=True),
        forward(FULL, priority="HIGH"),
        forward(timeout="0s", max_grpc_timeout="0.1s", grpc_timeout_offset="0.05s"),
        forward(timeout="0.1s"),
    )[at]
    router = {
        chance.choice(("respect_expected_rq_timeout", "suppress_envoy_headers")): True,
    }
    return Aim(
        listener=listening([route], router=router, manager=_INTERNAL),
        headers=(
            # Envoy's own headers are believed from inside alone.
            ("x-forwarded-for", ("10.0.0.1", "10.0.0.1", None)),
            ("grpc-timeout", (None, "100m", "90m")),
            ("x-envoy-expected-rq-timeout-ms", (None, "120", "90")),
            ("content-type", ("application/grpc", None)),
        ),
    )


def _tried_again(_: Random, at: int) -> Aim:
    matcher = {"name": "x-said", "string_match": {"exact": "7"}}
    asked = {"name": "x-a", "string_match": {"exact": "one"}}
    ways: tuple[Json, ...] = (
        {"retry_on": "retriable-headers", "retriable_headers": [matcher]},
        {"retry_on": "retriable-status-codes", "retriable_status_codes": [404, 503]},
        {"retry_on": "5xx", "retriable_request_headers": [asked]},
    )
    policy = {"num_retries": 2, "retry_back_off": {"base_interval": "0.001s"}, **ways[at]}
    return Aim(
        listener=listening([forward(retry_policy=policy)]),
        headers=(("x-a", ("one", None)),),
        scripts=(("503+x-said:7", "200"), ("200+x-said:7", "200"), ("404+x-said:7", "200")),
    )


def _connected(_: Random, at: int) -> Aim:
    ways: tuple[Json, ...] = (
        _INTERNAL,
        {"normalize_path": True},
        {"path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
        {"path_with_escaped_slashes_action": "REJECT_REQUEST"},
        {"use_remote_address": True, "preserve_external_request_id": True},
        {"strip_matching_host_port": True},
        {"forward_client_cert_details": "ALWAYS_FORWARD_ONLY"},
    )
    return Aim(
        listener=listening([forward()], manager=ways[at]),
        headers=(
            ("x-forwarded-for", (None, "10.0.0.1", "1.2.3.4")),
            ("x-request-id", (None, "mine")),
            ("x-forwarded-client-cert", ("By=them", None)),
        ),
        hosts=(f"a.test:{PORT}", f"a.test:{PORT}", "a.test:81"),
        paths=("/a/../b", "/a%2Fb", "/a/./b", "/a", "/a%5cb"),
    )


def _by_tree(chance: Random) -> Aim:
    kind = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    asked = {"name": "header", "typed_config": {"@type": kind, "header_name": "x-a"}}
    one, two, other = (
        _leads_to({**_ELSE, "name": name, "direct_response": {"status": status}})
        for name, status in (("one", 201), ("two", 202), ("other", 203))
    )
    return Aim(
        listener=listening((), host={"matcher": tree(chance, asked, one, two, other)}),
        headers=(("x-a", (None, "one", "1", "onetwo", "12")),),
    )


def tree(chance: Random, asked: Json, one: Json, two: Json, other: Json) -> Json:
    """Return a Matcher that looks at one input, and leads to one of three ends."""
    if chance.random() < 0.4:
        field = chance.choice(("exact_match_map", "prefix_match_map"))
        found: Json = {"matcher_tree": {"input": asked, field: {"map": {"one": one, "1": two}}}}
    else:
        value: Json = {"exact": "ONE", "ignore_case": True}
        single = {"single_predicate": {"input": asked, "value_match": value}}
        begins = {"single_predicate": {"input": asked, "value_match": {"prefix": "1"}}}
        rules: tuple[Json, ...] = (
            single,
            {"not_matcher": single},
            {"or_matcher": {"predicate": [single, begins]}},
            {"and_matcher": {"predicate": [begins, {"not_matcher": single}]}},
        )
        matchers = [
            {"predicate": chance.choice(rules), "on_match": one},
            {"predicate": begins, "on_match": two},
        ]
        found = {"matcher_list": {"matchers": matchers}}
    return found | {"on_no_match": other}


def _leads_to(route: Json) -> Json:
    kind = "type.googleapis.com/envoy.config.route.v3.Route"
    return {"action": {"name": "route", "typed_config": {"@type": kind, **route}}}


ROUTES: tuple[Maker, ...] = (
    *each(_case, 6),
    _tls,
    *each(_removed, 4),
    *each(_matched, 5),
    *each(_answered, 3),
    *each(_hashed, 7),
    *each(_to_odd_clusters, 4),
    *each(_tried_again, 3),
    *each(_connected, 7),
    *(_by_tree,) * 4,
)
