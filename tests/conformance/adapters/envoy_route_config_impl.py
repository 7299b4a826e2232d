"""Envoy's unit tests of route configurations: requests and what they find, and refusals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import yaml

from simulator.envoy.compile import compile_route_table
from simulator.envoy.headers import finalize_request, location, respond, virtual_cluster
from simulator.envoy.rejected import Rejected
from simulator.envoy.request import Request
from simulator.envoy.retry_policy import DEFAULT_BASE_INTERVAL_NS, RetryPolicy
from simulator.envoy.route import Action, NoRoute, RouteMatch, find
from simulator.envoy_api import SchemaError, parse
from tests.conformance.table import Case, Table

_KIND = "envoy.config.route.v3.RouteConfiguration"
_MS = 1_000_000
_GRPC = {
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
}


def cases(table: Table) -> Iterator[Case]:
    """Yield requests with what they find, or configurations that must be refused."""
    if table.family.endswith("rejected"):
        for at, one in enumerate(table.data["cases"]):
            yield Case(id=f"#{at} {one['test']}", data=one, check=partial(_refused, one))
        return
    configs = {name: yaml.safe_load(text) for name, text in table.data["configs"].items()}
    for at, one in enumerate(table.data["cases"]):
        config = configs[one["config"]]
        yield Case(
            id=f"#{at} {one['test']}",
            data=[one, config],
            check=partial(_check, one, config),
        )


def _refused(one: dict[str, Any]) -> str | None:
    try:
        compile_route_table(parse(yaml.safe_load(one["config"]), _KIND))
    except (Rejected, SchemaError) as error:
        said = str(error)
    else:
        return "it should be refused, and it is not"
    found = re.search(one["message"], said) if "egex" in one["match"] else one["message"] in said
    return None if found else f"expected {one['message']!r}, found {said!r}"


def _request(headers: dict[str, str]) -> Request:
    return Request(
        method=headers.get(":method", ""),
        authority=headers.get(":authority", ""),
        path=headers.get(":path", ""),
        scheme=headers.get(":scheme", ""),
        headers=tuple(
            (name.lower(), value) for name, value in headers.items() if not name.startswith(":")
        ),
    )


def _check(one: dict[str, Any], config: Any) -> str | None:
    table = compile_route_table(parse(config, _KIND))
    request = _request(one["request_headers"])
    match = find(table, request, int(one["random_value"]))
    expect = one["expect"]
    if isinstance(match, NoRoute):
        return None if expect == {"no_route": True} else f"no route ({match.stage})"
    for kind, expected in expect.items():
        actual = (
            _ACTUAL[kind](match, request)
            if kind in _ACTUAL
            else _headers(kind, match, request, expected)
        )
        if actual != _wanted(kind, expected):
            return f"{kind}: expected {expected!r}, found {actual!r}"
    return None


def _wanted(kind: str, expected: Any) -> Any:
    if kind == "retry_policy.retryOn":
        return (
            set()
            if expected == "0U"
            else {part.rpartition("::")[2] for part in expected.split("|")}
        )
    if kind.startswith("retry_policy."):
        # A C++ expression: `3U`, `std::chrono::milliseconds(50)`, `std::nullopt`.
        return None if "nullopt" in expected else int(re.findall(r"\d+", expected)[-1])
    if kind == "response_code_enum":
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", expected).upper()
        return HTTPStatus[{"UNPROCESSABLE_ENTITY": "UNPROCESSABLE_CONTENT"}.get(words, words)].value
    return expected


def _flags(policy: RetryPolicy | None) -> set[str]:
    names = policy.retry_on if policy is not None else ()
    return {
        f"RETRY_ON_{'GRPC_' if name in _GRPC else ''}{name.replace('-', '_').upper()}"
        for name in names
    }


def _retry(read: Callable[[RetryPolicy], Any]) -> Callable[[RouteMatch, Request], Any]:
    def actual(match: RouteMatch, _: Request) -> Any:
        return read(match.route.retry_policy or RetryPolicy(field=match.route.field))

    return actual


def _base(policy: RetryPolicy) -> int | None:
    base = policy.base_interval_ns
    return None if base == DEFAULT_BASE_INTERVAL_NS else base // _MS


def _ceiling(policy: RetryPolicy) -> int | None:
    given = policy.max_interval_ns
    return None if given == 10 * policy.base_interval_ns else given // _MS


_ACTUAL: dict[str, Callable[[RouteMatch, Request], Any]] = {
    "cluster": lambda match, _: match.cluster,
    "no_route": lambda _, __: False,
    "no_route_entry": lambda match, _: match.route.action is not Action.ROUTE,
    "redirect_location": location,
    "response_code_enum": lambda match, request: respond(match, request).status,
    "route_name": lambda match, _: match.route.name,
    "timeout_ms": lambda match, _: match.route.timeout_ns // _MS,
    "virtual_cluster": lambda match, request: (
        # What fits nowhere is counted, too.
        virtual_cluster(match, request) or ("other" if match.virtual_host.virtual_clusters else "")
    ),
    "retry_policy.retryOn": lambda match, _: _flags(match.route.retry_policy),
    "retry_policy.numRetries": _retry(lambda policy: policy.num_retries),
    "retry_policy.perTryTimeout": _retry(lambda policy: policy.per_try_timeout_ns // _MS),
    "retry_policy.perTryIdleTimeout": _retry(lambda policy: policy.per_try_idle_timeout_ns // _MS),
    "retry_policy.baseInterval": _retry(_base),
    "retry_policy.maxInterval": _retry(_ceiling),
}


def _headers(kind: str, match: RouteMatch, request: Request, expected: Any) -> Any:
    """Return the part of the request as sent upstream that a case speaks of."""
    upstream = finalize_request(match, request)
    match kind:
        case "upstream_request_headers":
            return {name: upstream.first(name) or "" for name in expected}
        case "upstream_headers_absent":
            return [name for name in expected if upstream.first(name) is None]
        case "upstream_headers_present":
            return [name for name in expected if upstream.first(name) is not None]
    raise ValueError(f"this adapter does not know {kind}")
