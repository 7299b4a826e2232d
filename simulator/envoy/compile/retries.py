"""Compile retry policies.

Models    envoy.config.route.v3.RetryPolicy
Follows   envoy/source/common/router/retry_policy_impl.cc
Leaves    option predicates (docs/fidelity.md#retry-extensions)
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.fields import nanoseconds, optional_ns
from simulator.envoy.compile.matchers import header_matcher
from simulator.envoy.rejected import Scope
from simulator.envoy.retry_policy import (
    DEFAULT_BASE_INTERVAL_NS,
    DEFAULT_RESET_INTERVAL_NS,
    ResetHeader,
    RetryPolicy,
)
from simulator.envoy_api import unpack

_MILLISECOND = 1_000_000
_MODELLED = """retry_on num_retries per_try_timeout per_try_idle_timeout retry_priority
    retry_host_predicate host_selection_retry_max_attempts retriable_status_codes retry_back_off
    retriable_headers retriable_request_headers rate_limited_retry_back_off"""
_PREVIOUS_PRIORITIES = (
    "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
)


def retry_policy(message: Any, scope: Scope) -> RetryPolicy:  # noqa: ANN401 - protobuf
    """Compile a RetryPolicy."""
    scope.only(message, _MODELLED)
    base, ceiling = _intervals(message, scope)
    return RetryPolicy(
        field=scope.ref,
        retry_on=tuple(part.strip() for part in message.retry_on.split(",") if part.strip()),
        num_retries=int(message.num_retries.value) if message.HasField("num_retries") else 1,
        per_try_timeout_ns=optional_ns(message, "per_try_timeout") or 0,
        per_try_idle_timeout_ns=optional_ns(message, "per_try_idle_timeout") or 0,
        retriable_status_codes=tuple(int(code) for code in message.retriable_status_codes),
        retriable_headers=tuple(
            header_matcher(one, scope.at("retriable_headers", at))
            for at, one in enumerate(message.retriable_headers)
        ),
        retriable_request_headers=tuple(
            header_matcher(one, scope.at("retriable_request_headers", at))
            for at, one in enumerate(message.retriable_request_headers)
        ),
        base_interval_ns=base,
        max_interval_ns=ceiling,
        **_resets(message, scope),
        retry_host_predicate=tuple(one.name for one in message.retry_host_predicate),
        retry_priority=message.retry_priority.name,
        retry_priority_update_frequency=_update_frequency(message),
        host_selection_retry_max_attempts=int(message.host_selection_retry_max_attempts) or 1,
    )


def _intervals(message: Any, scope: Scope) -> tuple[int, int]:  # noqa: ANN401 - protobuf
    if not message.HasField("retry_back_off"):
        return DEFAULT_BASE_INTERVAL_NS, 10 * DEFAULT_BASE_INTERVAL_NS
    inner = scope.at("retry_back_off")
    back_off = message.retry_back_off
    if not back_off.HasField("base_interval"):
        raise inner.reject("RetryBackOffValidationError.BaseInterval: value is required")
    base = max(_whole_ms(nanoseconds(back_off.base_interval)), _MILLISECOND)
    if not back_off.HasField("max_interval"):
        return base, 10 * base
    ceiling = max(_whole_ms(nanoseconds(back_off.max_interval)), _MILLISECOND)
    if ceiling < base:
        raise inner.reject(
            "retry_policy.max_interval must greater than or equal to the base_interval"
        )
    return base, ceiling


def _resets(message: Any, scope: Scope) -> dict[str, Any]:  # noqa: ANN401 - protobuf
    if not message.HasField("rate_limited_retry_back_off"):
        return {}
    given, inner = message.rate_limited_retry_back_off, scope.at("rate_limited_retry_back_off")
    if not given.reset_headers:
        raise inner.reject(
            "RateLimitedRetryBackOffValidationError.ResetHeaders: "
            "value must contain at least 1 item(s)"
        )
    longest = optional_ns(given, "max_interval")
    return {
        "reset_headers": tuple(
            ResetHeader(name=one.name.lower(), timestamp=bool(one.format))
            for one in given.reset_headers
        ),
        "max_reset_interval_ns": DEFAULT_RESET_INTERVAL_NS if longest is None else longest,
    }


def _whole_ms(value: int) -> int:
    return -(-value // _MILLISECOND) * _MILLISECOND


def _update_frequency(message: Any) -> int:  # noqa: ANN401 - protobuf
    packed = message.retry_priority.typed_config
    if not packed.type_url.endswith("/" + _PREVIOUS_PRIORITIES):
        return 0
    return int(unpack(packed).update_frequency)
