"""Fold a delegate's route into the route that delegates to it.

Follows   istio pilot/pkg/model/virtualservice.go (mergeHTTPRoute, mergeHTTPMatchRequests)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.config.istio import HTTPMatchRequest, HTTPRoute, StringMatch

_INHERITED = (
    "timeout_ns", "retries", "fault", "mirror", "mirror_percent", "mirror_percentage", "mirrors",
    "cors_policy", "headers", "rewrite", "redirect", "direct_response",
)  # fmt: skip


def fold(root: HTTPRoute, delegate: HTTPRoute) -> HTTPRoute | None:
    """Return the delegate's route under the root's conditions; None if they contradict.

    The delegate's own fields win over the root's.
    """
    conditions = matches(root.match or (), delegate.match or ())
    if conditions is None:
        return None
    name = "-".join(each for each in (root.name, delegate.name) if each)
    inherited = {
        field: getattr(root, field)
        for field in _INHERITED
        if getattr(delegate, field) is None and getattr(root, field) is not None
    }
    return delegate.model_copy(update={**inherited, "match": conditions, "name": name})


def matches(
    root: tuple[HTTPMatchRequest, ...], delegate: tuple[HTTPMatchRequest, ...]
) -> tuple[HTTPMatchRequest, ...] | None:
    """Return the conditions under which both routes apply; None if there are none."""
    if not root or not delegate:
        return root or delegate
    found: list[HTTPMatchRequest] = []
    for inner in delegate:
        fitting = [_match(outer, inner) for outer in root if not conflict(outer, inner)]
        if not fitting:
            return None  # one condition beyond the root's, and none of the route applies
        found += fitting
    return tuple(found)


def _match(root: HTTPMatchRequest, delegate: HTTPMatchRequest) -> HTTPMatchRequest:
    update: dict[str, Any] = {
        field: getattr(root, field)
        for field in ("scheme", "method", "authority", "uri", "port", "source_namespace")
        if not getattr(delegate, field) and getattr(root, field)
    }
    for field in ("headers", "query_params", "without_headers", "source_labels"):
        merged = {**(getattr(root, field) or {}), **(getattr(delegate, field) or {})}
        update[field] = merged
    update["name"] = "-".join(each for each in (root.name, delegate.name) if each)
    update["ignore_uri_case"] = root.ignore_uri_case or delegate.ignore_uri_case
    update["gateways"] = delegate.gateways or root.gateways
    return delegate.model_copy(update=update)


def conflict(root: HTTPMatchRequest, leaf: HTTPMatchRequest) -> bool:
    """Say whether no request meets both conditions, or nobody can tell."""
    if root.port and leaf.port and root.port != leaf.port:
        return True
    if root.source_namespace and leaf.source_namespace not in {None, "", root.source_namespace}:
        return True
    if root.gateways and not set(leaf.gateways) <= set(root.gateways):
        return True
    if any(
        not _narrower(getattr(root, field), getattr(leaf, field))
        for field in ("uri", "scheme", "method", "authority")
    ):
        return True
    if any(
        _contradict(getattr(root, field), getattr(leaf, field))
        for field in ("headers", "query_params", "without_headers")
    ):
        return True
    outer, inner = root.source_labels or {}, leaf.source_labels or {}
    return any(inner.get(name, value) != value for name, value in outer.items())


def _contradict(
    root: Mapping[str, StringMatch] | None, leaf: Mapping[str, StringMatch] | None
) -> bool:
    return any(
        name in (leaf or {}) and not _narrower(value, (leaf or {})[name])
        for name, value in (root or {}).items()
    )


def _narrower(root: StringMatch | None, leaf: StringMatch | None) -> bool:
    """Say whether what `leaf` takes is a part of what `root` takes."""
    if root is None or leaf is None:
        return True
    if root.regex is not None or leaf.regex is not None:
        # Regular expressions cannot be compared; they only fold where one side has none.
        return False
    if root.exact is not None:
        return leaf.exact == root.exact
    prefix = root.prefix or ""
    return (leaf.exact or leaf.prefix or "").startswith(prefix)
