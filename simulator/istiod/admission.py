"""The filters that let in what a proxy receives, or not, in Istio's order.

Follows   istio pilot/pkg/networking/core/listener_builder.go (buildHTTPConnectionManager)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from simulator.config.objects import Object
from simulator.envoy_api import name_of, unpack
from simulator.istiod.attachment import attached
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


_RULE = re.compile(r"ns\[(?P<namespace>.+)\]-policy\[(?P<name>.+)\]-rule\[(?P<rule>\d+)\]")
_RULES = ("rules", "shadow_rules")


def behind(scope: Scope, found: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Object, str]]:
    """Yield which policy each part of such filters comes from, and from which of its fields.

    A part is a path that begins with the filter's place among them.
    """
    policies = {
        (each.namespace, each.name): each
        for each in attached(scope.mesh, scope.pod, "AuthorizationPolicy")
    }
    for at, each in enumerate(found):
        config = unpack(each["typed_config"])
        if name_of(config).endswith(".JwtAuthentication"):
            for name, source, place in tokens.written(scope):
                yield f"[{at}].typed_config.providers[{name}]", source, place
        elif name_of(config).endswith(".RBAC"):
            for field in _RULES:
                for key in sorted(getattr(config, field).policies):
                    rule = _RULE.search(key)
                    policy = policies.get((rule["namespace"], rule["name"])) if rule else None
                    if rule is not None and policy is not None:
                        path = f"[{at}].typed_config.{field}.policies[{key}]"
                        yield path, policy, f"spec.rules[{rule['rule']}]"


def tcp_admission(scope: Scope) -> list[dict[str, Any]]:
    """Return network filters."""
    return [*custom_filters(scope, tcp=True), *filters(scope, tcp=True)]
