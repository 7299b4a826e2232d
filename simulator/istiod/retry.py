"""Write a route's retry policy.

Models    envoy.config.route.v3.RetryPolicy
Follows   istio pilot/pkg/networking/core/route/retry/retry.go
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from simulator.config.istio import HTTPRetry
from simulator.config.objects import Object
from simulator.envoy_api import message, pack
from simulator.istiod.part import Part, duration, wrapped

_DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_PREVIOUS_PRIORITIES = "envoy.extensions.retry.priority.previous_priorities.v3"


def policy(
    retries: HTTPRetry | None, *, consistent_hash: bool, source: Object | None = None, at: str = ""
) -> Part | None:
    """Return the policy of an outbound route; None where retries are switched off.

    With a consistent hash a retry may go to the same host again.
    """
    part = Part()
    part.put("num_retries", wrapped(2))
    part.put("retry_on", _DEFAULT_RETRY_ON)
    part.put("host_selection_retry_max_attempts", 5)
    if not consistent_hash:
        part.put("retry_host_predicate", [_previous_hosts()])
    if retries is None:
        return part
    if not retries.attempts or retries.attempts < 0:
        return None
    part.note("", source, at)
    part.put("num_retries", wrapped(retries.attempts), source, f"{at}.attempts")
    if retries.retry_on:
        conditions, codes = split(retries.retry_on)
        part.put("retry_on", conditions, source, f"{at}.retryOn")
        part.put("retriable_status_codes", codes, source, f"{at}.retryOn")
    if retries.per_try_timeout_ns is not None:
        timeout = duration(retries.per_try_timeout_ns)
        part.put("per_try_timeout", timeout, source, f"{at}.perTryTimeout")
    _hosts(part, retries, source, at)
    if retries.backoff_ns is not None:
        back_off = {"base_interval": duration(retries.backoff_ns)}
        part.put("retry_back_off", back_off, source, f"{at}.backoff")
    return part


def _hosts(part: Part, retries: HTTPRetry, source: Object | None, at: str) -> None:
    if retries.retry_ignore_previous_hosts is not None:
        predicates = [_previous_hosts()] if retries.retry_ignore_previous_hosts else []
        place = f"{at}.retryIgnorePreviousHosts"
        part.put("retry_host_predicate", predicates, source, place)
    if retries.retry_remote_localities:
        config = message(f"{_PREVIOUS_PRIORITIES}.PreviousPrioritiesConfig")(update_frequency=2)
        priority = {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": pack(config),
        }
        part.put("retry_priority", priority, source, f"{at}.retryRemoteLocalities")


def inbound(retries: HTTPRetry | None = None) -> dict[str, Any] | None:
    """Return the policy of an inbound route: only what the workload has not seen is sent again.

    Of a mesh-wide policy, the attempts, conditions and back-off count.
    """
    value: dict[str, Any] = {"retry_on": "reset-before-request", "num_retries": wrapped(2)}
    if retries is None:
        return value
    if retries.attempts <= 0:
        return None
    value["num_retries"] = wrapped(retries.attempts)
    if retries.retry_on:
        value["retry_on"], value["retriable_status_codes"] = split(retries.retry_on)
    if retries.backoff_ns is not None:
        value["retry_back_off"] = {"base_interval": duration(retries.backoff_ns)}
    return value


def split(retry_on: str) -> tuple[str, list[int]]:
    """Return Envoy's conditions and, apart from them, the status codes in Istio's `retryOn`."""
    conditions: list[str] = []
    codes: list[int] = []
    for token in (each.strip() for each in retry_on.split(",")):
        if _is_status(token):
            codes.append(int(token))
        elif token:
            conditions.append(token)
    joined = ",".join(conditions)
    # An unconditional join, as upstream: without other conditions it leaves a leading comma,
    # which Envoy ignores.
    if codes and "retriable-status-codes" not in joined:
        joined += ",retriable-status-codes"
    return joined, codes


def _is_status(token: str) -> bool:
    return token.isdecimal() and any(int(token) == status for status in HTTPStatus)


def _previous_hosts() -> dict[str, Any]:
    return {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": pack(message(_PREVIOUS_HOSTS)()),
    }
