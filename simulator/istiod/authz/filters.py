"""Write the filters that authorize what a proxy receives.

CUSTOM policies come first, before tokens are looked at; then AUDIT, DENY and ALLOW.

Models    envoy.extensions.filters.{http,network}.rbac.v3.RBAC
Follows   istio pilot/pkg/security/authz/builder/builder.go
Leaves    policies of routes
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulator.config.objects import Object
from simulator.envoy_api import message, pack
from simulator.istiod.attachment import attached
from simulator.istiod.authz import ext_authz, rules
from simulator.istiod.authz.ext_authz import HTTP_RBAC, TCP_RBAC, Authorizer
from simulator.istiod.authz.matchers import Message
from simulator.istiod.authz.rules import Target
from simulator.istiod.scope import Scope

_DRY_RUN = "istio.io/dry-run"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_ALLOW_SHADOW = "istio_dry_run_allow_"
_SHADOW_PREFIXES = {"ALLOW": _ALLOW_SHADOW, "DENY": "istio_dry_run_deny_", "LOG": ""}
_ACTIONS = {"AUDIT": "LOG", "DENY": "DENY", "ALLOW": "ALLOW"}
"""Envoy's names of the actions, in the order of the filters."""
_BROKEN = "-deny-due-to-bad-CUSTOM-action"


def custom_filters(scope: Scope, *, tcp: bool) -> list[Message]:
    """Return the filters that ask the authorizers of CUSTOM policies."""
    by_provider: dict[str, list[Object]] = {}
    for each in attached(scope.mesh, scope.pod, "AuthorizationPolicy"):
        if each.spec.action == "CUSTOM":
            name = each.spec.provider.name if each.spec.provider is not None else ""
            by_provider.setdefault(name, []).append(each)
    found: list[Message] = []
    for name in sorted(by_provider):
        # Two authorizers for one workload: which to believe cannot be known, so none is.
        known = ext_authz.authorizer(scope, name) if len(by_provider) == 1 else None
        found.extend(_asked(scope, by_provider[name], name, known, tcp=tcp))
    return found


def _asked(
    scope: Scope, policies: Sequence[Object], name: str, known: Authorizer | None, *, tcp: bool
) -> list[Message]:
    prefix = f"{ext_authz.PREFIX}-{name}-" if name else f"{ext_authz.PREFIX}-"
    dry = [each for each in policies if _dry_run(each)]
    enforced = [each for each in policies if not _dry_run(each)]
    asked = _policies(scope, enforced, "DENY", prefix, tcp=tcp)
    if known is None:
        denied = {f"{key}{_BROKEN}": each for key, each in asked.items()}
        return [_rbac({"rules": _rules("DENY", denied)}, tcp=tcp)]
    asking = known.tcp if tcp else known.http
    if asking is None:
        return []
    config: Message = {
        "shadow_rules": _rules("DENY", asked),
        "shadow_rules_stat_prefix": ext_authz.SHADOW_PREFIX,
    }
    shadow = _policies(scope, dry, "DENY", prefix, tcp=tcp)
    if shadow:
        config["rules"] = _rules("DENY", shadow)
    return [_rbac(config, tcp=tcp), asking]


def filters(scope: Scope, *, tcp: bool) -> list[Message]:
    """Return the filters of AUDIT, DENY and ALLOW policies, one an action."""
    by_action: dict[str, list[Object]] = {action: [] for action in _ACTIONS}
    for each in attached(scope.mesh, scope.pod, "AuthorizationPolicy"):
        if each.spec.action in by_action:
            by_action[each.spec.action].append(each)
    return [
        _of_action(scope, policies, _ACTIONS[action], tcp=tcp)
        for action, policies in by_action.items()
        if policies
    ]


def _of_action(scope: Scope, policies: Sequence[Object], action: str, *, tcp: bool) -> Message:
    config: Message = {"shadow_rules_stat_prefix": _ALLOW_SHADOW}
    dry = [each for each in policies if _dry_run(each)]
    enforced = [each for each in policies if not _dry_run(each)]
    if enforced:
        config["rules"] = _rules(action, _policies(scope, enforced, action, tcp=tcp))
    if dry:
        config["shadow_rules"] = _rules(action, _policies(scope, dry, action, tcp=tcp))
        config["shadow_rules_stat_prefix"] = _SHADOW_PREFIXES[action]
    return _rbac(config, tcp=tcp)


def _policies(
    scope: Scope, policies: Iterable[Object], action: str, prefix: str = "", *, tcp: bool
) -> dict[str, Message]:
    config = scope.mesh.config
    found: dict[str, Message] = {}
    for policy in policies:
        name = f"{prefix}ns[{policy.namespace}]-policy[{policy.name}]-rule"
        target = Target(
            namespace=policy.namespace,
            trust_domains=(config.trust_domain, *config.trust_domain_aliases),
            tcp=tcp,
            strict=action == "ALLOW",
        )
        for index, rule in enumerate(policy.spec.rules):
            written = rules.policy(rule, target)
            if written is not None:
                found[f"{name}[{index}]"] = written
        if not policy.spec.rules:
            found[f"{name}[0]"] = rules.NEVER
    return found


def _dry_run(policy: Object) -> bool:
    return policy.annotations.get(_DRY_RUN, "") in _TRUE


def _rules(action: str, policies: dict[str, Message]) -> Message:
    return {"action": action, "policies": policies}


def _rbac(config: Message, *, tcp: bool) -> Message:
    if tcp:
        kind = message("envoy.extensions.filters.network.rbac.v3.RBAC")
        return {"name": TCP_RBAC, "typed_config": pack(kind(stat_prefix="tcp.", **config))}
    kind = message("envoy.extensions.filters.http.rbac.v3.RBAC")
    return {"name": HTTP_RBAC, "typed_config": pack(kind(**config))}
