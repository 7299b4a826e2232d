"""The smaller HTTP filters against the real Envoy, request by request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import FILTERS, Case, World, check, http_filter, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

HUNDRED = {"default_value": {"numerator": 100}}
NEVER = {"default_value": {"numerator": 0}}
ORIGIN = ("origin", "https://a.example")
PREFLIGHT = (ORIGIN, ("access-control-request-method", "PUT"))


def own(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {name: {"@type": FILTERS + kind, **config}}


def cors(**policy: Any) -> dict[str, Any]:
    matchers = {"allow_origin_string_match": [{"exact": "https://a.example"}]}
    return own("cors", "cors.v3.CorsPolicy", **{**matchers, **policy})


FULL = {
    "allow_methods": "GET, PUT",
    "allow_headers": "x-a",
    "expose_headers": "x-b",
    "max_age": "60",
    "allow_credentials": True,
    "allow_private_network_access": True,
}


TABLE = {
    "allow_origin_string_match": [{"exact": "https://table.example"}],
    "expose_headers": "x-table",
    "max_age": "7",
    "allow_methods": "DELETE",
    "filter_enabled": NEVER,
}
"""What the route table says where a route leaves something out."""


def cors_cases() -> Iterator[Case]:
    policies: list[tuple[str, dict[str, Any]]] = [
        ("bare", {}),
        ("full", FULL),
        ("star", {"allow_origin_string_match": [{"exact": "*"}]}),
        ("prefix", {"allow_origin_string_match": [{"prefix": "https://"}]}),
        ("other", {**FULL, "allow_origin_string_match": [{"exact": "https://b.example"}]}),
        (
            "other-kept",
            {
                "allow_origin_string_match": [{"exact": "https://b.example"}],
                "forward_not_matching_preflights": False,
            },
        ),
        ("any-method", {**FULL, "allow_methods": "*", "allow_headers": "*"}),
        (
            "refused-but-told",
            {
                **FULL,
                "allow_origin_string_match": [{"exact": "https://b.example"}],
                "forward_not_matching_preflights": False,
            },
        ),
        ("nobody", {"allow_origin_string_match": []}),
        ("off", {**FULL, "filter_enabled": NEVER}),
    ]
    for name, policy in policies:
        for what, method, headers in [
            ("get", "GET", (ORIGIN,)),
            ("no-origin", "GET", ()),
            ("options", "OPTIONS", (ORIGIN,)),
            ("preflight", "OPTIONS", PREFLIGHT),
            (
                "preflight-private",
                "OPTIONS",
                (*PREFLIGHT, ("access-control-request-private-network", "true")),
            ),
        ]:
            yield Case(f"cors-{name}-{what}", cors(**policy), method=method, headers=headers)
    yield Case("cors-no-policy", headers=(ORIGIN,))
    yield Case("cors-failing", cors(**FULL), headers=(ORIGIN,), script="503")
    yield Case(
        "cors-answered", cors(**FULL), {"direct_response": {"status": 200}}, headers=(ORIGIN,)
    )
    yield Case(
        "cors-replaced",
        cors(**FULL),
        headers=(ORIGIN,),
        script="200+access-control-allow-origin:b+access-control-expose-headers:c",
    )


def limit(tokens: int, **config: Any) -> dict[str, Any]:
    given = {
        "stat_prefix": "l",
        "token_bucket": {"max_tokens": tokens, "tokens_per_fill": 1, "fill_interval": "1000s"},
        "filter_enabled": HUNDRED,
        "filter_enforced": HUNDRED,
        **config,
    }
    return own("limit", "local_ratelimit.v3.LocalRateLimit", **given)


def limit_cases() -> Iterator[Case]:
    plain = {"response_headers_to_add": [{"header": {"key": "x-l", "value": "yes"}}]}
    replaced = {
        "response_headers_to_add": [{"header": {"key": "x-envoy-ratelimited", "value": "b"}}]
    }
    limits: list[tuple[str, dict[str, Any], tuple[tuple[str, str], ...]]] = [
        ("plain", {}, ()),
        ("status", {"status": {"code": "ServiceUnavailable"}}, ()),
        ("low-status", {"status": {"code": "OK"}}, ()),
        ("headers", plain, ()),
        ("replaced", replaced, ()),
        ("grpc", {}, (("content-type", "application/grpc"),)),
        (
            "exhausted",
            {"rate_limited_as_resource_exhausted": True},
            (("content-type", "application/grpc"),),
        ),
        ("not-enabled", {"filter_enabled": NEVER}, ()),
        (
            "not-enforced",
            {
                "filter_enforced": NEVER,
                "request_headers_to_add_when_not_enforced": [
                    {"header": {"key": "x-over", "value": "yes"}}
                ],
            },
            (),
        ),
    ]
    for name, config, more in limits:
        # Each case has a bucket of its own.
        yield Case(f"limit-{name}-within", limit(2, **config), headers=more, times=2)
        yield Case(f"limit-{name}-over", limit(2, **config), headers=more, times=3)
    for times in (1, 3):
        told = limit(2, enable_x_ratelimit_headers="DRAFT_VERSION_03")
        yield Case(f"limit-told-{times}", told, times=times)


def mutations(**config: Any) -> dict[str, Any]:
    return own("mutate", "header_mutation.v3.HeaderMutationPerRoute", mutations=config)


def add(name: str, value: str, action: str = "APPEND_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"append": {"header": {"key": name, "value": value}, "append_action": action}}


def other_cases() -> Iterator[Case]:
    yield Case(
        "mutate-request",
        mutations(
            request_mutations=[
                add("x-a", "1"),
                {"remove": "x-b"},
                add("x-b", "%REQ(x-a)%"),
                add("x-c", "new", "OVERWRITE_IF_EXISTS"),
                add("x-d", "new", "ADD_IF_ABSENT"),
                add("x-e", "new", "OVERWRITE_IF_EXISTS_OR_ADD"),
            ]
        ),
        headers=(("x-a", "0"), ("x-b", "0"), ("x-e", "0")),
    )
    yield Case(
        "mutate-response",
        mutations(response_mutations=[add("x-r", "%RESPONSE_CODE%"), {"remove": "x-gone"}]),
        script="201+x-gone:1",
    )
    yield Case(
        "mutate-local-reply",
        mutations(response_mutations=[add("x-r", "%RESPONSE_CODE%")]),
        {"direct_response": {"status": 418}},
    )
    yield Case("mutate-levels", mutations(request_mutations=[add("x-level", "route")]))
    yield Case("mutate-base")
    for length in (9, 10, 11):
        yield Case(
            f"buffer-{length}",
            own("buffer", "buffer.v3.BufferPerRoute", buffer={"max_request_bytes": 10}),
            method="POST",
            headers=(("content-length", str(length)),),
            body="x" * length,
        )
    yield Case(
        "buffer-off",
        own("buffer", "buffer.v3.BufferPerRoute", disabled=True),
        method="POST",
        headers=(("content-length", "200"),),
        body="x" * 200,
    )
    yield Case("health", headers=(("x-health", "1"),))
    yield Case("health-not")
    yield Case(
        "metadata",
        route={
            "route": {"cluster": "live"},
            "response_headers_to_add": [
                {"header": {"key": f"x-{name}", "value": f"%DYNAMIC_METADATA({name})%"}}
                for name in ("one", "two", "three")
            ],
        },
    )


CASES = [*cors_cases(), *limit_cases(), *other_cases()]


def listeners() -> list[dict[str, Any]]:
    level = mutations(request_mutations=[add("x-level", "table")])
    table = routes(CASES, typed_per_filter_config={**level, **cors(**TABLE)})
    metadata = [
        {"metadata_namespace": "one", "value": {"a": {"b": 1}, "l": [1]}},
        {"metadata_namespace": "one", "value": {"a": {"c": 2}}},
        {"metadata_namespace": "two", "value": {"a": {"b": 1}, "l": [1]}},
        {
            "metadata_namespace": "two",
            "value": {"a": {"c": 2}, "l": [2]},
            "allow_overwrite": True,
        },
        {"metadata_namespace": "three", "value": {"x": "text"}},
    ]
    filters = [
        http_filter(
            "health",
            "health_check.v3.HealthCheck",
            pass_through_mode=False,
            headers=[{"name": "x-health", "present_match": True}],
        ),
        http_filter("cors", "cors.v3.Cors"),
        http_filter("limit", "local_ratelimit.v3.LocalRateLimit", stat_prefix="l"),
        http_filter("buffer", "buffer.v3.Buffer", max_request_bytes=100),
        http_filter("metadata", "set_metadata.v3.Config", metadata=metadata),
        http_filter(
            "mutate",
            "header_mutation.v3.HeaderMutation",
            mutations={
                "request_mutations": [add("x-level", "base")],
                "response_mutations": [add("x-base", "yes")],
            },
        ),
    ]
    return [http_listener("main", table, filters)]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(CASES, listeners(), tmp_path_factory.mktemp("filters")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_filter_does_as_in_envoy(compared: World, case: Case) -> None:
    check(compared, case)
