"""Istio's own expectations of retry policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from simulator.config.istio import HTTPRetry
from simulator.envoy_api import format as as_json
from simulator.envoy_api import message
from simulator.istiod import retry
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a policy, for outbound and inbound routes."""
    for one in table.data["outbound"]:
        yield Case(id=one["name"], data=one, check=partial(_outbound, one))
    for one in table.data["inbound"]:
        yield Case(id=f"inbound {one['name']}", data=one, check=partial(_inbound, one))


def _outbound(one: dict[str, Any]) -> str | None:
    given = one["route"].get("retries")
    hashed = any(value for name, value in one.items() if "hash" in name.lower())
    part = retry.policy(_read(given), consistent_hash=hashed)
    return _compare(part.value if part is not None else None, one["expect"])


def _inbound(one: dict[str, Any]) -> str | None:
    return _compare(retry.inbound(_read(one["retries"])), one["expect"])


def _read(given: dict[str, Any] | None) -> HTTPRetry | None:
    return None if given is None else HTTPRetry.model_validate(given)


def _compare(value: dict[str, Any] | None, want: dict[str, Any] | None) -> str | None:
    if value is None or want is None:
        return None if value is None and want is None else f"expected {want}, got {value}"
    got = as_json(message("envoy.config.route.v3.RetryPolicy")(**value))
    for field, expected in want.items():
        found = got.get(field)
        if not _within(expected, found):
            return f"{field}: expected {expected}, got {found}"
    return None


def _within(expected: Any, found: Any) -> bool:
    """Say whether what is expected is there; nothing, zero and absence are the same."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return all(_within(value, found.get(name)) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return all(_within(one, other) for one, other in zip(expected, found, strict=True))
    return (not expected and not found) or str(expected) == str(found)
