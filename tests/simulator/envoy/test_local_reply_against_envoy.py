"""Answers of a proxy's own that are rewritten, against the real Envoy, request by request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import (
    FILTERS,
    Case,
    World,
    check,
    http_filter,
    routes,
    simulate,
    world,
)
from tests.simulator.envoy.playing import cluster
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
ALLOW_NOBODY = {"rules": {"action": "ALLOW", "policies": {}}}
UNROUTED = {"route": {"cluster": "gone"}}
EMPTY = {"route": {"cluster": "empty"}}
SAYING = {"direct_response": {"status": 404, "body": {"inline_string": "nö"}}}
SILENT = {"direct_response": {"status": 403}}
MOVED = {"redirect": {"path_redirect": "/there"}}
TYPED = {
    **SAYING,
    "response_headers_to_add": [{"header": {"key": "content-type", "value": "text/css"}}],
}
HEADERED = {
    **EMPTY,
    "response_headers_to_add": [{"header": {"key": "x-route", "value": "%RESPONSE_CODE%"}}],
}


def asking(listener: str, name: str, route: dict[str, Any], *headers: Any, **more: Any) -> Case:
    return Case(f"{listener}-{name}", route=route, headers=headers, listener=listener, **more)


def denied(listener: str, *headers: tuple[str, str], name: str = "denied") -> Case:
    """Return a request that RBAC turns away."""
    own = {"rbac": {"@type": f"{FILTERS}rbac.v3.RBACPerRoute", "rbac": ALLOW_NOBODY}}
    return Case(f"{listener}-{name}", own=own, headers=headers, listener=listener)


def picked(op: str, status: int) -> dict[str, Any]:
    """Return a filter of statuses."""
    value = {"default_value": status, "runtime_key": "k"}
    return {"status_code_filter": {"comparison": {"op": op, "value": value}}}


def adding(name: str, value: str, action: str = "APPEND_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": action}


def text(form: str, **more: Any) -> dict[str, Any]:
    return {"text_format_source": {"inline_string": form}, **more}


EVERY: dict[str, Any] = {"filter": picked("GE", 0)}
SPOKEN = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %LOCAL_REPLY_BODY%"
RULES: dict[str, dict[str, Any]] = {
    "text": {"body_format": text(f"{SPOKEN} %REQ(x-none)% %PROTOCOL% %BYTES_SENT% 100%%")},
    "json": {
        "body_format": {
            "json_format": {
                "code": "%RESPONSE_CODE%",
                "said": "%LOCAL_REPLY_BODY%",
                "none": "%REQ(x-none)%",
                "cluster": "%UPSTREAM_CLUSTER%",
            }
        }
    },
    "typed": {"body_format": text("<p>%LOCAL_REPLY_BODY%</p>", content_type="text/html")},
    "mapped": {
        "mappers": [
            {"filter": {"response_flag_filter": {"flags": ["NR"]}}, "status_code": 421},
            {
                "filter": {"response_flag_filter": {"flags": ["UH", "NC"]}},
                "status_code": 429,
                "body": {"inline_string": "later"},
                "headers_to_add": [
                    adding("retry-after", "7"),
                    adding("x-was", "%RESPONSE_CODE% %RESPONSE_FLAGS%"),
                ],
            },
            {
                "filter": {"header_filter": {"header": {"name": "x-bare", "present_match": True}}},
                "body": {"inline_string": ""},
            },
            {
                "filter": picked("EQ", 403),
                "status_code": 404,
                "body_format_override": {"json_format": {"why": "%RESPONSE_CODE_DETAILS%"}},
                "headers_to_add": [
                    adding("content-type", "application/problem+json", "OVERWRITE_IF_EXISTS_OR_ADD")
                ],
            },
            {**EVERY, "headers_to_add": [adding("x-last", "%REQ(:PATH)%")]},
        ],
        "body_format": text("%RESPONSE_CODE%: %LOCAL_REPLY_BODY%"),
    },
    "bodies": {
        "mappers": [
            {"filter": {"grpc_status_filter": {"statuses": ["UNAVAILABLE"]}}, "status_code": 599},
            {**EVERY, "body": {"inline_string": "50% of\nall ~ ü"}},
        ]
    },
    "nothing": {},
}


def cases() -> Iterator[Case]:
    for name in RULES:
        yield asking(name, "no-cluster", UNROUTED)
        yield asking(name, "no-endpoint", EMPTY)
        yield asking(name, "no-endpoint-grpc", EMPTY, *GRPC)
        yield asking(name, "direct", SAYING)
        yield asking(name, "direct-head", SAYING, method="HEAD")
        yield asking(name, "direct-grpc", SAYING, *GRPC)
        yield asking(name, "direct-bare", SAYING, ("x-bare", "1"))
        yield asking(name, "direct-typed", TYPED)
        yield asking(name, "silent", SILENT)
        yield asking(name, "moved", MOVED)
        yield asking(name, "route-adds", HEADERED)
        yield asking(name, "cut-off", {"route": {"cluster": "live"}}, script="close")
        yield asking(name, "too-slow", {"route": {"cluster": "live", "timeout": "0.1s"}},
                     script="hang")  # fmt: skip
        yield asking(name, "an-endpoint-fails", {"route": {"cluster": "live"}}, script="503")
        yield denied(name)
        yield denied(name, *GRPC, name="denied-grpc")
        yield Case(f"{name}-no-host", host="elsewhere", listener=name)


CASES = list(cases())


def listeners() -> Iterator[dict[str, Any]]:
    for name, rules in RULES.items():
        table = routes([one for one in CASES if one.listener == name], validate_clusters=False)
        table["virtual_hosts"][0]["domains"] = ["test"]
        made = http_listener(name, table, [http_filter("rbac", "rbac.v3.RBAC")])
        made["filter_chains"][0]["filters"][0]["typed_config"]["local_reply_config"] = rules
        yield made


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("local-reply")
    empty = cluster("empty")
    with world(CASES, list(listeners()), folder, more_clusters=[empty]) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_an_answer_is_rewritten_as_in_envoy(compared: World, case: Case) -> None:
    check(compared, case)


def test_a_learner_is_told_which_mapper_has_rewritten_an_answer(compared: World) -> None:
    case = next(one for one in CASES if one.id == "mapped-denied")
    played, _ = simulate(compared, case, explain=True)
    tree = played.stream.node
    assert tree is not None
    [told] = [one for one in tree.children if one.what == "local reply mapper"]
    assert told.reason == "the answer 403 is rewritten to 404"
    assert told.field is not None
    assert told.field.path.endswith("local_reply_config.mappers[3]")
