"""RBAC by trees of conditions in the simulated proxy against the real Envoy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.bootstrap import load
from simulator.envoy.cel_parse import parse
from simulator.envoy.compile import Rejected
from simulator.envoy_api.extract import locate_binary
from tests.simulator.envoy.comparing import Case, World, check, http_filter, routes
from tests.simulator.envoy.real import http_listener
from tests.simulator.envoy.test_rbac_against_envoy import (
    SHOWN,
    cidr,
    end_tls,
    policy,
    rbac,
    rules,
    secured,
    tree,
)

pytestmark = pytest.mark.envoy

INPUTS = "type.googleapis.com/envoy.extensions.matching.common_inputs."
MATCHER = "type.googleapis.com/xds.type.matcher.v3."


def decide(name: str, action: str = "ALLOW") -> dict[str, Any]:
    """Return where a tree leads: a decision."""
    kind = {"@type": "type.googleapis.com/envoy.config.rbac.v3.Action"}
    # The first action is what a field that is left out means.
    said = {"name": name} if action == "ALLOW" else {"name": name, "action": action}
    return {"action": {"name": "action", "typed_config": {**kind, **said}}}


def header_input(name: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    return {"name": "header", "typed_config": {"@type": kind, "header_name": name}}


def of_connection(kind: str) -> dict[str, Any]:
    return {"name": "input", "typed_config": {"@type": INPUTS + kind}}


def one_of(*entries: tuple[dict[str, Any], dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a tree of conditions in order, and where each leads."""
    made = [{"predicate": predicate, "on_match": leads} for predicate, leads in entries]
    return {"matcher_list": {"matchers": made}, **more}


def is_text(source: dict[str, Any], **text: Any) -> dict[str, Any]:
    return {"single_predicate": {"input": source, "value_match": text}}


def custom(source: dict[str, Any], kind: str, **config: Any) -> dict[str, Any]:
    found = {"name": "custom", "typed_config": {"@type": kind, **config}}
    return {"single_predicate": {"input": source, "custom_match": found}}


def in_ranges(*ranges: tuple[str, int]) -> dict[str, Any]:
    """Return whether the client's address is in one of several ranges."""
    kind = "type.googleapis.com/envoy.extensions.matching.input_matchers.ip.v3.Ip"
    found = [cidr(*one) for one in ranges]
    source = of_connection("network.v3.SourceIPInput")
    return custom(source, kind, cidr_ranges=found, stat_prefix="ip")


def by_range(*ranges: tuple[str, int, dict[str, Any], bool], **more: Any) -> dict[str, Any]:
    """Return a tree by the client's address."""
    made = [
        {"ranges": [cidr(address, length)], "on_match": leads, "exclusive": exclusive}
        for address, length, leads, exclusive in ranges
    ]
    found = {"@type": MATCHER + "IPMatcher", "range_matchers": made}
    source = of_connection("network.v3.SourceIPInput")
    tree = {"input": source, "custom_match": {"name": "ip", "typed_config": found}}
    return {"matcher_tree": tree, **more}


def if_true(text: str) -> dict[str, Any]:
    """Return whether a CEL expression is true."""
    source = {
        "name": "cel",
        "typed_config": {"@type": MATCHER + "HttpAttributesCelMatchInput"},
    }
    expression = {"cel_expr_parsed": {"expr": tree(parse(text))}}
    return custom(source, MATCHER + "CelMatcher", expr_match=expression)


def by_map(kind: str, source: dict[str, Any], **entries: dict[str, Any]) -> dict[str, Any]:
    return {"matcher_tree": {"input": source, kind: {"map": entries}}}


WHO = header_input("x-who")
SNI = of_connection("network.v3.ServerNameInput")
NARROW_NOWHERE = {"matcher": one_of((is_text(WHO, exact="nobody"), decide("me")))}
TREES: list[tuple[str, dict[str, Any]]] = [
    ("allow", one_of((is_text(WHO, exact="me"), decide("a")))),
    ("deny", one_of((is_text(WHO, exact="me"), decide("a name", "DENY")))),
    ("log", one_of((is_text(WHO, exact="me"), decide("a", "LOG")))),
    ("no-match", one_of((is_text(WHO, exact="you"), decide("a")))),
    ("absent", one_of((is_text(header_input("x-none"), exact=""), decide("a")))),
    ("otherwise", one_of((is_text(WHO, exact="you"), decide("a")), on_no_match=decide("b"))),
    (
        "first",
        one_of(
            (is_text(WHO, prefix="m"), decide("a", "DENY")), (is_text(WHO, exact="me"), decide("b"))
        ),
    ),
    ("nested", one_of((is_text(WHO, prefix="m"), NARROW_NOWHERE), on_no_match=decide("b"))),
    (
        "nested-passed-over",
        one_of((is_text(WHO, prefix="m"), NARROW_NOWHERE), (is_text(WHO, suffix="e"), decide("c"))),
    ),
    ("not", one_of(({"not_matcher": is_text(WHO, exact="you")}, decide("a")))),
    (
        "or",
        one_of(
            (
                {
                    "or_matcher": {
                        "predicate": [is_text(WHO, exact="you"), in_ranges(("127.0.0.0", 8))]
                    }
                },
                decide("a"),
            )
        ),
    ),
    (
        "and",
        one_of(
            (
                {
                    "and_matcher": {
                        "predicate": [is_text(WHO, exact="me"), in_ranges(("10.0.0.0", 8))]
                    }
                },
                decide("a"),
            )
        ),
    ),
    ("ranges", one_of((in_ranges(("10.0.0.0", 8), ("127.0.0.1", 32)), decide("a")))),
    ("map", by_map("exact_match_map", WHO, me=decide("a"))),
    ("map-other", by_map("exact_match_map", WHO, m=decide("a"))),
    ("prefixes", by_map("prefix_match_map", WHO, m=decide("a"), me=decide("b", "DENY"))),
    (
        "address",
        one_of(
            (
                is_text(of_connection("network.v3.DestinationIPInput"), exact="127.0.0.1"),
                decide("a"),
            )
        ),
    ),
    (
        "port",
        by_map(
            "exact_match_map",
            of_connection("network.v3.DestinationPortInput"),
            **{"1": decide("a")},
        ),
    ),
    ("server-name-plain", one_of((is_text(SNI, exact=""), decide("a")))),
    ("san-plain", one_of((is_text(of_connection("ssl.v3.UriSanInput"), exact=""), decide("a")))),
    (
        "by-range",
        by_range(
            ("127.0.0.0", 8, decide("wide", "DENY"), False),
            ("127.0.0.1", 32, decide("narrow"), False),
        ),
    ),
    ("by-range-none", by_range(("10.0.0.0", 8, decide("a"), False), on_no_match=decide("b"))),
    (
        "by-range-wider",
        by_range(("127.0.0.1", 32, NARROW_NOWHERE, False), ("127.0.0.0", 8, decide("wide"), False)),
    ),
    (
        "by-range-exclusive",
        by_range(("127.0.0.1", 32, NARROW_NOWHERE, False), ("127.0.0.0", 8, decide("wide"), True)),
    ),
    ("cel", one_of((if_true("request.headers['x-who'] == 'me'"), decide("a")))),
    ("cel-false", one_of((if_true("request.method == 'POST'"), decide("a")))),
]
TREES_OF_TLS: list[tuple[str, dict[str, Any], str]] = [
    ("server-name", one_of((is_text(SNI, exact="test"), decide("a"))), "sleep"),
    (
        "uris",
        one_of(
            (
                is_text(
                    of_connection("ssl.v3.UriSanInput"),
                    exact="spiffe://td/first,spiffe://td/second",
                ),
                decide("a"),
            )
        ),
        "several",
    ),
    (
        "dns",
        one_of(
            (is_text(of_connection("ssl.v3.DnsSanInput"), exact="several.example"), decide("a"))
        ),
        "several",
    ),
    (
        "subject",
        one_of((is_text(of_connection("ssl.v3.SubjectInput"), exact="CN=named"), decide("a"))),
        "named",
    ),
    (
        "nobody",
        one_of(
            ({"not_matcher": is_text(of_connection("ssl.v3.UriSanInput"), prefix="s")}, decide("a"))
        ),
        "stranger",
    ),
]
FORWARDED = (("x-forwarded-for", "10.1.2.3"),)
CASES = [
    *(Case(name, rbac(matcher=made), headers=(("x-who", "me"),)) for name, made in TREES),
    *(
        Case(f"tls-{name}", rbac(matcher=made), listener="tls", client=client)
        for name, made, client in TREES_OF_TLS
    ),
    Case(
        "forwarded",
        rbac(matcher=one_of((in_ranges(("10.0.0.0", 8)), decide("a")))),
        headers=FORWARDED,
    ),
    Case(
        "before-rules",
        rbac(
            matcher=one_of((is_text(WHO, exact="me"), decide("a"))),
            rules=rules("ALLOW", p=policy()),
        ),
    ),
    Case(
        "shadow",
        rbac(shadow_matcher=one_of((is_text(WHO, exact="me"), decide("a", "DENY")))),
        route=SHOWN,
        headers=(("x-who", "me"),),
    ),
    Case(
        "shadow-without-a-match",
        rbac(shadow_matcher=one_of((is_text(WHO, exact="me"), decide("a")))),
        route=SHOWN,
    ),
]


def listeners(server: dict[str, Any]) -> list[dict[str, Any]]:
    table = routes(CASES)
    main, tls = (
        http_listener(name, table, [http_filter("rbac", "rbac.v3.RBAC")])
        for name in ("main", "tls")
    )
    end_tls(tls, server)
    return [main, tls]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with secured(CASES, listeners, tmp_path_factory.mktemp("trees")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_tree_decides_as_in_envoy(compared: World, case: Case) -> None:
    check(compared, case)


REFUSED = {
    "a-query-parameter": {
        "name": "query",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestQueryParamMatchInput",
            "query_param": "a",
        },
    },
    "an-answer": {
        "name": "answer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput",
            "header_name": "a",
        },
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_tree_may_not_look_at(name: str, tmp_path: Path) -> None:
    found = one_of((is_text(REFUSED[name], exact="b"), decide("a")))
    table = routes([])
    listener = http_listener("main", table, [http_filter("rbac", "rbac.v3.RBAC", matcher=found)])
    config = {"static_resources": {"listeners": [listener], "clusters": []}}
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    real = subprocess.run(
        [str(locate_binary()), "--mode", "validate", "-c", str(path), "-l", "error"],
        capture_output=True,
        text=True,
        check=False,
    )
    with pytest.raises(Rejected) as refused:
        load(config)
    assert real.returncode
    assert refused.value.reasons[0] in real.stderr + real.stdout
