"""The filters that let in what a proxy receives, or not, in Istio's order.

Follows   istio pilot/pkg/networking/core/listener_builder.go (buildHTTPConnectionManager)
"""

from __future__ import annotations

from typing import Any

from simulator.istiod.authn import tokens
from simulator.istiod.authz.filters import custom_filters, filters
from simulator.istiod.scope import Scope


def http_admission(scope: Scope) -> list[dict[str, Any]]:
    """Return HTTP filters; an authorizer is asked before any token has been checked."""
    return [
        *custom_filters(scope, tcp=False),
        *tokens.filters(scope),
        *filters(scope, tcp=False),
    ]


def tcp_admission(scope: Scope) -> list[dict[str, Any]]:
    """Return network filters."""
    return [*custom_filters(scope, tcp=True), *filters(scope, tcp=True)]
