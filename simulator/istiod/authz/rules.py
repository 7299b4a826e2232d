"""Write one rule of an AuthorizationPolicy as a policy of Envoy's RBAC.

On connections that are not read as HTTP, an ALLOW rule that asks about HTTP is left out
whole; of any other rule only the conditions on HTTP are, so that it matches more.

Models    envoy.config.rbac.v3.Policy
Follows   istio pilot/pkg/security/authz/model/model.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.config.istio.authorization_policy import From, Rule, To
from simulator.istiod.authz.conditions import (
    ATTRIBUTES,
    Attribute,
    Context,
    UnusableError,
    attribute_of,
)
from simulator.istiod.authz.matchers import Message
from simulator.istiod.authz.trust_domain import domains_with_aliases, with_aliases

NEVER: Message = {
    "permissions": [{"not_rule": {"any": True}}],
    "principals": [{"not_id": {"any": True}}],
}
"""The policy that matches nothing."""

_SOURCE = (
    ("source.principal", "principals"),
    ("request.auth.principal", "request_principals"),
    ("source.trustDomain", "trust_domains"),
    ("source.serviceAccount", "service_accounts"),
    ("source.namespace", "namespaces"),
    ("remote.ip", "remote_ip_blocks"),
    ("source.ip", "ip_blocks"),
)
_OPERATION = (
    ("host", "hosts"),
    ("method", "methods"),
    ("path", "paths"),
    ("destination.port", "ports"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a rule is written for."""

    namespace: str
    """Of the policy."""
    trust_domains: tuple[str, ...]
    """The mesh's own first."""
    tcp: bool
    strict: bool
    """A condition that cannot be written makes the rule void (ALLOW), else it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    key: str
    attribute: Attribute
    values: Sequence[str]
    not_values: Sequence[str]


def policy(rule: Rule, target: Target) -> Message | None:
    """Return the policy, or None for a rule that is void."""
    try:
        when = [_when(each.key, each.values, each.not_values) for each in rule.when]
        asked = [each for each in when if each.attribute.permission]
        asking = [each for each in when if not each.attribute.permission]
        permissions = [
            _all(_operation(each) + asked, target, "rules") for each in rule.to or (To(),)
        ]
        principals = [
            _all(_source(each) + asking, target, "ids") for each in rule.from_ or (From(),)
        ]
    except UnusableError:
        return None
    return {"permissions": permissions, "principals": principals}


def _when(key: str, values: Sequence[str], not_values: Sequence[str]) -> _Condition:
    attribute = attribute_of(key)
    if attribute is None:
        message = f"{key} is not known"
        raise UnusableError(message)
    return _Condition(key=key, attribute=attribute, values=values, not_values=not_values)


def _source(sender: From) -> list[_Condition]:
    return _written(sender.source, _SOURCE)


def _operation(to: To) -> list[_Condition]:
    return _written(to.operation, _OPERATION)


def _written(block: object, fields: Sequence[tuple[str, str]]) -> list[_Condition]:
    if block is None:
        return []
    return [
        _Condition(
            key=key,
            attribute=ATTRIBUTES[key],
            values=getattr(block, field),
            not_values=getattr(block, f"not_{field}"),
        )
        for key, field in fields
    ]


def _all(conditions: Sequence[_Condition], target: Target, many: str) -> Message:
    """Return the conjunction; `many` is `rules` for permissions, `ids` for principals."""
    one = many.removesuffix("s")
    found: list[Message] = []
    for each in conditions:
        wanted = _alternatives(each, each.values, target, many)
        unwanted = _alternatives(each, each.not_values, target, many)
        found.extend(wanted)
        found.extend({f"not_{one}": alternative} for alternative in unwanted)
    return {f"and_{many}": {many: found or [{"any": True}]}}


def _alternatives(
    condition: _Condition, values: Sequence[str], target: Target, many: str
) -> list[Message]:
    """Return one matcher for the values; none where there is nothing to match."""
    attribute = condition.attribute
    values = _known_by_all_names(condition.key, values, target)
    found: list[Message] = []
    context = Context(key=condition.key, namespace=target.namespace)
    for group in [values] if attribute.whole else [[each] for each in values]:
        if not group:
            continue
        try:
            found.extend(_checked(attribute, context, group, target))
        except UnusableError:
            if target.strict:
                raise
    if attribute.whole or not found:
        return found
    return [{f"or_{many}": {many: found}}]


def _checked(
    attribute: Attribute, context: Context, values: Sequence[str], target: Target
) -> list[Message]:
    if target.tcp and attribute.http_only:
        message = f"{context.key} is known of HTTP alone"
        raise UnusableError(message)
    return attribute.write(context, values)


def _known_by_all_names(key: str, values: Sequence[str], target: Target) -> Sequence[str]:
    if key == "source.principal":
        return with_aliases(values, target.trust_domains)
    if key == "source.trustDomain":
        return domains_with_aliases(values, target.trust_domains)
    return values
