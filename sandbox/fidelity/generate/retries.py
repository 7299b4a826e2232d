"""Invent how often and how long a route tries, and how it chooses among endpoints."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.case import Json, flag
from sandbox.fidelity.generate.matching import NAMES, header

_CONDITIONS = (
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "cancelled",
    "unavailable",
    "envoy-ratelimited",
    "http3-post-connect-failure",
)


def retry_policy(chance: Random) -> Json:
    """Return a RetryPolicy; its back-off is short."""
    policy: Json = {
        "retry_on": ",".join(chance.sample(_CONDITIONS, chance.randint(1, 4))),
        "retry_back_off": {"base_interval": "0.001s"},
    }
    if chance.random() < 0.3:
        policy["retry_back_off"]["max_interval"] = chance.choice(("0.001s", "0.002s"))
    if chance.random() < 0.7:
        policy["num_retries"] = chance.choice((0, 1, 2, 3))
    if chance.random() < 0.4:
        policy["per_try_timeout"] = chance.choice(("0.07s", "0.2s", "0s"))
    if "retriable-status-codes" in policy["retry_on"] or chance.random() < 0.1:
        policy["retriable_status_codes"] = chance.sample((404, 429, 500, 503), 2)
    if "retriable-headers" in policy["retry_on"]:
        matcher = header(chance) | {"name": "x-said"}
        policy["retriable_headers"] = [matcher]
    if chance.random() < 0.2:
        policy["retriable_request_headers"] = [header(chance)]
    return policy


def time_outs(chance: Random) -> Json:
    """Return the fields of a RouteAction that end a request that takes too long."""
    action: Json = {}
    if chance.random() < 0.2:
        action["timeout"] = chance.choice(("0.1s", "0.15s", "0s"))
    if chance.random() < 0.1:
        action["max_stream_duration"] = {}
    elif chance.random() < 0.1:
        action["max_grpc_timeout"] = chance.choice(("0.1s", "0s"))
        if chance.random() < 0.3:
            action["grpc_timeout_offset"] = "0.05s"
    return action


def hash_policies(chance: Random) -> list[Json]:
    """Return HashPolicies, the first of which may be enough."""
    return [
        _hash_policy(chance) | flag(chance, "terminal", 0.3) for _ in range(chance.randint(1, 3))
    ]


def _hash_policy(chance: Random) -> Json:
    kind = chance.choice(
        ("header", "header", "cookie", "connection_properties", "query_parameter", "filter_state")
    )
    match kind:
        case "header":
            own: Json = {"header_name": chance.choice(NAMES)}
            if chance.random() < 0.4:
                own["regex_rewrite"] = {"pattern": {"regex": "[a-m]+"}, "substitution": "z"}
            return {kind: own}
        case "cookie":
            own = {"name": chance.choice("uv")}
            if chance.random() < 0.5:
                own["ttl"] = chance.choice(("0s", "9s"))
            if chance.random() < 0.3:
                own["path"] = "/p"
            if chance.random() < 0.3:
                own["attributes"] = [{"name": "SameSite", "value": "Strict"}, {"name": "Secure"}]
            return {kind: own}
        case "connection_properties":
            return {kind: {"source_ip": chance.random() < 0.8}}
        case "filter_state":
            return {kind: {"key": "test.state"}}
    return {kind: {"name": chance.choice("pq")}}
