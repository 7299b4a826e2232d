"""Let a request or a connection pass by its RBAC policies, or refuse it.

Models    envoy.extensions.filters.{http,network}.rbac.v3.RBAC
Follows   envoy/source/extensions/filters/http/rbac/rbac_filter.cc,
          source/extensions/filters/common/rbac/{engine_impl,utility}.cc
Leaves    extensions (docs/fidelity.md#rbac)
"""

from __future__ import annotations

import re

from simulator.envoy.filters.passing import Answer, Passing
from simulator.envoy.filters.rbac_config import TYPE, Judgement, RbacConfig, Rules, TreeRules
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
    judged = rules.judge(subject)
    if judged.log_hint is not None:
        passing.set_metadata("envoy.common", {"access_log_hint": judged.log_hint})
    if passing.reasons is not None:
        passing.reasons.add(reason(rules, judged, subject))
    if judged.allowed:
        return None
    return Answer(status=403, body=BODY, details=details(judged))


def details(judged: Judgement) -> str:
    """Return the response code details of a refusal."""
    name = re.sub(r"\s", "_", judged.name) if judged.name is not None else "none"
    return f"rbac_access_denied_matched_policy[{name}]"


def _judge_in_the_shadow(
    config: RbacConfig, rules: Rules | TreeRules, subject: Subject, passing: Passing
) -> None:
    judged = rules.judge(subject)
    prefix = config.shadow_stat_prefix
    result = {f"{prefix}shadow_engine_result": "allowed" if judged.allowed else "denied"}
    if judged.name is not None:
        result[f"{prefix}shadow_effective_policy_id"] = judged.name
    passing.set_metadata(TYPE, result)
    if passing.reasons is not None:
        passing.reasons.add(reason(rules, judged, subject, shadow=True))


def reason(
    rules: Rules | TreeRules, judged: Judgement, subject: Subject, *, shadow: bool = False
) -> Node:
    """Return why the rules let something pass or not."""
    end = "it may pass" if judged.allowed else "it is refused"
    condition = ", if these rules were enforced" if shadow else ""
    return Node(
        what="shadow rbac" if shadow else "rbac",
        name=judged.name if judged.name is not None else "none",
        outcome=Outcome.NOTE if judged.allowed or shadow else Outcome.REJECTED,
        reason=f"{rules.told(judged)}: {end}{condition}",
        field=judged.field,
        children=rules.nodes(judged, subject),
    )
