"""Requests that a rate limit service counts: the simulated proxy against the real Envoy."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from simulator.envoy.filters.ratelimit import shown
from simulator.envoy_api import message
from simulator.observe.explain import Node
from tests.simulator.envoy.comparing import (
    FILTERS,
    TYPE,
    Case,
    World,
    http_filter,
    routes,
    simulate,
    world,
)
from tests.simulator.envoy.playing import cluster
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

SERVICE = "envoy.service.ratelimit.v3."
OK, OVER_LIMIT = 1, 2
ANSWERS = {"200": OK, "429": OVER_LIMIT}
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


@dataclass
class Limits:
    """A rate limit service that answers as the end of a domain's name says."""

    asked: dict[str, str] = field(default_factory=dict)
    """What it was asked, by case, as a learner is shown it."""
    done: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        case, _, step = request.domain.partition(":")
        found = [
            tuple((one.key, one.value) for one in each.entries) for each in request.descriptors
        ]
        self.asked[case] = shown(request.domain, found)
        if step == "hang":
            self.done.wait(5)
        if step not in ANSWERS:
            context.abort(grpc.StatusCode.UNAVAILABLE, "as was asked")
        response: Any = message(SERVICE + "RateLimitResponse")()
        response.overall_code = ANSWERS[step]
        return response


@contextmanager
def serving() -> Iterator[tuple[Limits, int]]:
    limits = Limits()
    request: Any = message(SERVICE + "RateLimitRequest")
    method = grpc.unary_unary_rpc_method_handler(
        limits.answer,
        request_deserializer=request.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    handler = grpc.method_handlers_generic_handler(
        SERVICE + "RateLimitService", {"ShouldRateLimit": method}
    )
    server = grpc.server(ThreadPoolExecutor(max_workers=8), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield limits, port
    finally:
        limits.done.set()
        server.stop(None).wait()


def limit(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"actions": list(actions), **more}


def key(value: str, **more: Any) -> dict[str, Any]:
    return {"generic_key": {"descriptor_value": value, **more}}


def header(name: str, **more: Any) -> dict[str, Any]:
    return {"request_headers": {"header_name": name, "descriptor_key": name, **more}}


def query(name: str, **more: Any) -> dict[str, Any]:
    return {"query_parameters": {"query_parameter_name": name, "descriptor_key": name, **more}}


def where(name: str, text: str, **more: Any) -> dict[str, Any]:
    headers = [{"name": name, "string_match": {"exact": text}}]
    return {"header_value_match": {"descriptor_value": "v", "headers": headers, **more}}


def asked_for(name: str, text: str, **more: Any) -> dict[str, Any]:
    found = [{"name": name, "string_match": {"exact": text}}]
    return {
        "query_parameter_value_match": {"descriptor_value": "v", "query_parameters": found, **more}
    }


def metadata(name: str, **more: Any) -> dict[str, Any]:
    path = {"key": "granted", "path": [{"key": name}]}
    return {"metadata": {"descriptor_key": "m", "metadata_key": path, **more}}


ONE = limit(key("a"))
ANSWERED = ["200", "429", "error"]
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "closed": {"failure_mode_deny": True},
    "closed-status": {"failure_mode_deny": True, "status_on_error": {"code": "BadGateway"}},
    "closed-never": {"failure_mode_deny": True, "failure_mode_deny_percent": {"default_value": {}}},
    "status": {"rate_limited_status": {"code": "ServiceUnavailable"}},
    "low-status": {"rate_limited_status": {"code": "OK"}},
    "silent": {"disable_x_envoy_ratelimited_header": True},
    "not-enforced": {"filter_enforced": {"default_value": {"numerator": 0}}},
    "off": {"filter_enabled": {"default_value": {"numerator": 0}}},
    "exhausted": {"rate_limited_as_resource_exhausted": True},
    "adding": {"response_headers_to_add": [{"header": {"key": "x-added", "value": "%REQ(x-a)%"}}]},
    "headers": {"enable_x_ratelimit_headers": "DRAFT_VERSION_03"},
}
OWN: dict[str, dict[str, Any]] = {
    "stage": {"stage": 2},
    "internal": {"request_type": "internal"},
    "external": {"request_type": "external"},
    "own": {"rate_limits": [limit(key("own"))]},
}
ACTIONS: dict[str, list[dict[str, Any]]] = {
    "key": [key("a", descriptor_key="k")],
    "key-of-a-header": [key("%REQ(x-a)%")],
    "cluster": [{"destination_cluster": {}}],
    "header": [header("x-a")],
    "pseudo-header": [header(":path")],
    "no-header": [key("a"), header("x-none")],
    "no-header-left-out": [key("a"), header("x-none", skip_if_absent=True)],
    "only-left-out": [header("x-none", skip_if_absent=True)],
    "query": [query("q")],
    "query-empty": [query("empty")],
    "no-query": [query("none")],
    "no-query-left-out": [key("a"), query("none", skip_if_absent=True)],
    "masked": [{"masked_remote_address": {"v4_prefix_mask_len": 8}}],
    "not-masked": [{"masked_remote_address": {}}],
    "header-matches": [where("x-a", "b")],
    "header-matches-by-key": [where("x-a", "b", descriptor_key="k")],
    "header-differs": [where("x-a", "c")],
    "header-differs-as-expected": [where("x-a", "c", expect_match=False)],
    "query-matches": [asked_for("q", "1")],
    "query-differs": [asked_for("q", "2")],
    "metadata": [metadata("ask")],
    "no-metadata": [metadata("none")],
    "no-metadata-left-out": [key("a"), metadata("none", skip_if_absent=True)],
    "default-metadata": [metadata("none", default_value="d")],
    "several": [key("a"), header("x-a"), key("c", descriptor_key="k")],
}  # fmt: skip
HOSTS: dict[str, dict[str, Any]] = {
    "none-of-its-own": {},
    "some-of-its-own": {"rate_limits": [ONE]},
    "both": {"rate_limits": [ONE], "include_vh_rate_limits": True},
}


def case(name: str, answer: str, listener: str, *limits: dict[str, Any], **more: Any) -> Case:
    """Return a case whose domain tells the service what to answer."""
    route = {"cluster": "live", "rate_limits": list(limits), **more.pop("route", {})}
    own = {
        "@type": FILTERS + "ratelimit.v3.RateLimitPerRoute",
        "domain": f"{name}:{answer}",
        **more.pop("own", {}),
    }
    headers = (("x-a", "b"), ("x-auth", answer if answer in ANSWERS else "close"))
    return Case(
        name,
        {"limits": own},
        {"route": route},
        path="?q=1&empty=&q=2",
        headers=(*headers, *more.pop("headers", ())),
        listener=listener,
        **more,
    )


GRPC = (("content-type", "application/grpc"),)
CASES = [
    *(case(f"{name}-{answer}", answer, name, ONE) for name in CONFIGS for answer in ANSWERED),
    *(case(f"{name}-by-config", "429", name, ONE, limit(key("b"), stage=2)) for name in OWN),
    *(
        case(f"{name}-of-the-mesh", "429", name, ONE, headers=(("x-envoy-internal", "true"),))
        for name in OWN
    ),
    *(case(f"action-{name}", "429", "plain", limit(*found)) for name, found in ACTIONS.items()),
    case("several-descriptors", "429", "plain", ONE, limit(header("x-none")), limit(key("b"))),
    case("hang", "hang", "plain", ONE),
    case("hang-closed", "hang", "closed", ONE),
    case("no-limits", "429", "plain"),
    case("grpc-over", "429", "plain", ONE, headers=GRPC),
    case("grpc-exhausted", "429", "exhausted", ONE, headers=GRPC),
    case("grpc-failed", "error", "closed", ONE, headers=GRPC),
    case("no-cluster", "429", "plain", ONE, route={"cluster": "nowhere"}),
    case("limits-per-route", "429", "plain", ONE, own={"rate_limits": [limit(key("r"))]}),
    *(
        case(f"host-{name}-{when}", "429", "host", route=found, own={"vh_rate_limits": when})
        for name, found in HOSTS.items()
        for when in ("OVERRIDE", "INCLUDE", "IGNORE")
    ),
]  # fmt: skip


def listeners() -> list[dict[str, Any]]:
    grpc_service = {"grpc_service": {"envoy_grpc": {"cluster_name": "limits"}}}
    service = {"rate_limit_service": {**grpc_service, "transport_api_version": "V3"}}
    granted = http_filter(
        "metadata",
        "set_metadata.v3.Config",
        metadata=[{"metadata_namespace": "granted", "value": {"ask": "yes"}}],
    )
    found = []
    for name, config in {**CONFIGS, **OWN, "host": {}}.items():
        of_listener = [one for one in CASES if one.listener == name]
        table = routes(of_listener, validate_clusters=False)
        if name == "host":
            table["virtual_hosts"][0]["rate_limits"] = [limit(key("host"))]
        # Patience that a busy machine does not wear out.
        timeout = {"timeout": "0.5s"}
        asking = http_filter(
            "limits", "ratelimit.v3.RateLimit", domain="d", **timeout, **service, **config
        )
        found.append(http_listener(name, table, [granted, asking]))
    return found


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Limits]]:
    folder = tmp_path_factory.mktemp("limits")
    with serving() as (limits, port):
        more = [cluster("limits", port, typed_extension_protocol_options=HTTP2)]
        with world(CASES, listeners(), folder, more_clusters=more) as found:
            yield found, limits


@pytest.mark.parametrize("one", [pytest.param(one, id=one.id) for one in CASES])
def test_a_rate_limit_service_is_asked_and_obeyed_as_by_envoy(
    compared: tuple[World, Limits], one: Case
) -> None:
    found, limits = compared
    played, calls = simulate(found, one, explain=True)
    answer, response, record = found.answers[one.id], played.finish.response, played.stream.record()
    assert response is not None
    assert {
        "status": response.status,
        "flags": ",".join(record.flags) or "-",
        "details": record.details,
        "body": response.body,
        "headers": _told(dict(response.headers)),
        "asked": _asked(played.stream.node),
        "calls": len(calls),
    } == {
        "status": answer.status,
        "flags": answer.log["flags"],
        "details": answer.log["details"],
        "body": answer.body,
        "headers": _told(answer.headers),
        "asked": limits.asked.get(one.id),
        "calls": int(one.id in limits.asked),
    }


def _told(headers: dict[str, str]) -> dict[str, str]:
    wanted = re.compile("x-envoy-ratelimited|x-ratelimit-.*|x-added|grpc-.*|content-type")
    return {name: value for name, value in headers.items() if wanted.fullmatch(name)}


def _asked(node: Node | None) -> str | None:
    """Return what a learner is told that the service is asked."""
    if node is None:
        return None
    if (node.what, node.name) == ("rate limit", "asked"):
        return node.reason.removeprefix("limits is asked about ")
    return next(filter(None, map(_asked, node.children)), None)
