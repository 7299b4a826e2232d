"""Let a request or a connection pass by its RBAC policies, or refuse it.

Models    envoy.extensions.filters.{http,network}.rbac.v3.RBAC
Follows   envoy/source/extensions/filters/http/rbac/rbac_filter.cc,
          source/extensions/filters/common/rbac/{engine_impl,utility}.cc
Leaves    matchers (docs/fidelity.md#rbac)
"""

from __future__ import annotations

import re

from simulator.envoy.filters.passing import Answer, Passing
from simulator.envoy.filters.rbac_config import TYPE, Action, Policy, RbacConfig, Rules
from simulator.envoy.match import Subject
from simulator.observe.explain import Node, Outcome

BODY = "RBAC: access denied"


def decode(base: RbacConfig, passing: Passing) -> Answer | None:
    """Refuse a request, or let it pass; a route's own rules replace all."""
    config = passing.own if isinstance(passing.own, RbacConfig) else base
    subject = Subject(passing.request, passing.draws.stream, passing.info)
    if config.shadow_rules is not None:
        _judge_in_the_shadow(config, config.shadow_rules, subject, passing)
    rules = config.rules
    if rules is None:
        return None
    policy = rules.find(subject)
    if rules.action is Action.LOG:
        passing.set_metadata("envoy.common", {"access_log_hint": policy is not None})
    allowed = rules.allows(policy)
    if passing.reasons is not None:
        passing.reasons.add(reason(rules, policy, subject))
    if allowed:
        return None
    return Answer(status=403, body=BODY, details=details(policy))


def details(policy: Policy | None) -> str:
    """Return the response code details of a refusal."""
    name = re.sub(r"\s", "_", policy.name) if policy is not None else "none"
    return f"rbac_access_denied_matched_policy[{name}]"


def _judge_in_the_shadow(
    config: RbacConfig, rules: Rules, subject: Subject, passing: Passing
) -> None:
    policy = rules.find(subject)
    prefix = config.shadow_stat_prefix
    result = {f"{prefix}shadow_engine_result": "allowed" if rules.allows(policy) else "denied"}
    if policy is not None:
        result[f"{prefix}shadow_effective_policy_id"] = policy.name
    passing.set_metadata(TYPE, result)
    if passing.reasons is not None:
        passing.reasons.add(reason(rules, policy, subject, shadow=True))


def reason(rules: Rules, policy: Policy | None, subject: Subject, *, shadow: bool = False) -> Node:
    """Return why the rules let something pass or not."""
    allowed = rules.allows(policy)
    if policy is not None:
        told = f"a policy of action {rules.action.value} holds"
    elif rules.policies:
        told = f"no policy of action {rules.action.value} holds"
    else:
        told = f"there is no policy of action {rules.action.value}"
    end = "it may pass" if allowed else "it is refused"
    return Node(
        what="shadow rbac" if shadow else "rbac",
        name=policy.name if policy is not None else "none",
        outcome=Outcome.NOTE if allowed or shadow else Outcome.REJECTED,
        reason=f"{told}: {end}{', if these rules were enforced' if shadow else ''}",
        field=policy.field if policy is not None else rules.field,
        children=tuple(_policies(rules, policy, subject)),
    )


def _policies(rules: Rules, found: Policy | None, subject: Subject) -> list[Node]:
    nodes = []
    for one in rules.policies:
        nodes.append(
            Node(
                what="policy",
                name=one.name,
                outcome=Outcome.CHOSEN if one is found else Outcome.REJECTED,
                reason="its permissions and principals hold" if one is found else one.why(subject),
                field=one.field,
            )
        )
        if one is found:
            break
    return nodes
