from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy.compile import compile_route_table
from simulator.envoy.request import Request
from simulator.envoy.route import NoRoute, find
from simulator.envoy_api import parse

TYPE = "type.googleapis.com/"


def header(name: str) -> dict[str, Any]:
    kind = TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    return {"name": "header", "typed_config": {"@type": kind, "header_name": name}}


def to(cluster: str, prefix: str = "/") -> dict[str, Any]:
    route = {"match": {"prefix": prefix}, "route": {"cluster": cluster}}
    config = {"@type": TYPE + "envoy.config.route.v3.Route", **route}
    return {"action": {"name": "route", "typed_config": config}}


def either(*clusters: tuple[str, str]) -> dict[str, Any]:
    routes = [{"match": {"prefix": at}, "route": {"cluster": name}} for name, at in clusters]
    config = {"@type": TYPE + "envoy.config.route.v3.RouteList", "routes": routes}
    return {"action": {"name": "routes", "typed_config": config}}


def when(name: str, value: str) -> dict[str, Any]:
    return {"single_predicate": {"input": header(name), "value_match": {"exact": value}}}


def cluster(matcher: dict[str, Any], path: str, **headers: str) -> str | None:
    host = {"name": "h", "domains": ["*"], "matcher": matcher}
    table = compile_route_table(
        parse({"name": "r", "virtual_hosts": [host]}, "envoy.config.route.v3.RouteConfiguration")
    )
    request = Request(
        method="GET", authority="a", path=path, headers=tuple(sorted(headers.items()))
    )
    found = find(table, request, 0)
    return None if isinstance(found, NoRoute) else found.cluster


PREFIXES = {
    "matcher_tree": {
        "input": header(":path"),
        "prefix_match_map": {
            "map": {"/a": to("short"), "/a/b": to("long", "/a/b/c"), "/l": either(
                ("first", "/l/1"), ("second", "/l"))}
        },
    },
    "on_no_match": to("otherwise"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param("/a/x", "short", id="by-prefix"),
        pytest.param("/a/b/c", "long", id="the-longest-prefix-first"),
        pytest.param("/a/b/x", None, id="a-route-that-does-not-match-ends-it"),
        pytest.param("/l/1", "first", id="a-list-in-order"),
        pytest.param("/l/2", "second", id="a-list-goes-on"),
        pytest.param("/x", "otherwise", id="no-prefix"),
    ],
)
def test_a_map_of_prefixes(path: str, want: str | None) -> None:
    assert cluster(PREFIXES, path) == want


LIST = {
    "matcher_list": {
        "matchers": [
            {"predicate": when("x-a", "0"), "on_match": {**to("kept"), "keep_matching": True}},
            {
                "predicate": {"and_matcher": {"predicate": [when("x-a", "1"), when("x-b", "1")]}},
                "on_match": to("both"),
            },
            {
                "predicate": {"or_matcher": {"predicate": [when("x-a", "1"), when("x-b", "1")]}},
                "on_match": {"matcher": {"matcher_list": {"matchers": [
                    {"predicate": when("x-c", "1"), "on_match": to("nested")}]}}},
            },
            {"predicate": {"not_matcher": when("x-a", "2")}, "on_match": to("not-two")},
        ]
    }
}  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        pytest.param({"x-a": "1", "x-b": "1"}, "both", id="and"),
        pytest.param({"x-b": "1", "x-c": "1"}, "nested", id="or-then-nested"),
        pytest.param({"x-b": "1"}, "not-two", id="nothing-nested-goes-on"),
        pytest.param({"x-a": "0"}, "not-two", id="keep-matching-goes-on"),
        pytest.param({}, "not-two", id="an-absent-header-is-not-two"),
        pytest.param({"x-a": "2"}, None, id="nothing"),
    ],
)
def test_a_list_of_conditions(headers: dict[str, str], want: str | None) -> None:
    assert cluster(LIST, "/", **headers) == want
