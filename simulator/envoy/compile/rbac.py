"""Compile RBAC rules, for the HTTP filter and the network filter.

Models    envoy.config.rbac.v3.{RBAC, Action, Policy, Permission, Principal}
Follows   envoy/source/extensions/filters/common/rbac/{matchers,utility}.cc
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.envoy import cel
from simulator.envoy.cel_parse import BadExpressionError, UnmodelledError
from simulator.envoy.compile.expressions import expression
from simulator.envoy.compile.fields import networks
from simulator.envoy.compile.match_tree import COMMON, match_tree
from simulator.envoy.compile.matchers import (
    filter_state_matcher,
    header_matcher,
    metadata_matcher,
    template_matcher,
)
from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.filters.rbac_config import (
    Action,
    Decision,
    Policy,
    RbacConfig,
    Rules,
    TreeRules,
)
from simulator.envoy.filters.rbac_rules import (
    Address,
    All,
    Always,
    AnyOf,
    Authenticated,
    Expression,
    Not,
    Port,
    Rule,
    ServerName,
    Side,
    UrlPath,
)
from simulator.envoy.match_input import CONNECTION_INPUTS
from simulator.envoy.rejected import Scope

_ACTIONS = (Action.ALLOW, Action.DENY, Action.LOG)
_HTTP = """rules shadow_rules matcher shadow_matcher rules_stat_prefix shadow_rules_stat_prefix
    track_per_rule_stats"""
_NETWORK = """rules shadow_rules matcher shadow_matcher stat_prefix shadow_rules_stat_prefix
    enforcement_type"""
_INPUTS = frozenset(f"{COMMON}{kind}" for kind in CONNECTION_INPUTS)
_NETWORK_INPUTS = _INPUTS | {
    f"{COMMON}network.v3.FilterStateInput",
    f"{COMMON}network.v3.NetworkNamespaceInput",
}
_HTTP_INPUTS = _INPUTS | {
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    f"{COMMON}network.v3.DynamicMetadataInput",
    "xds.type.matcher.v3.HttpAttributesCelMatchInput",
}
"""What the tree of a filter may look at."""


def rbac(message: Any, scope: Scope) -> RbacConfig:  # noqa: ANN401 - protobuf
    """Compile an HTTP or a network RBAC filter."""
    http = "rules_stat_prefix" in type(message).DESCRIPTOR.fields_by_name
    scope.only(message, _HTTP if http else _NETWORK)
    if not http and _asks_for_a_header(message):
        raise scope.reject("Found header rule, not supported by RBAC network filter")
    return RbacConfig(
        field=scope.ref,
        rules=_tree(message, "matcher", scope) or _rules(message, "rules", scope),
        shadow_rules=_tree(message, "shadow_matcher", scope)
        or _rules(message, "shadow_rules", scope),
        stat_prefix=message.rules_stat_prefix if http else message.stat_prefix,
        shadow_stat_prefix=message.shadow_rules_stat_prefix,
    )


def _asks_for_a_header(message: Any) -> bool:  # noqa: ANN401 - protobuf
    """Say whether a permission or principal anywhere below asks for a header."""
    for field, value in message.ListFields():
        if field.name == "header":
            return True
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = list(value.values())
        else:
            inner = list(value) if field.is_repeated else [value]
        if any(_asks_for_a_header(one) for one in inner):
            return True
    return False


def rbac_per_route(message: Any, scope: Scope) -> RbacConfig:  # noqa: ANN401 - protobuf
    """Compile an RBACPerRoute; without `rbac` its route has no rules at all."""
    if not message.HasField("rbac"):
        return RbacConfig(field=scope.ref)
    return rbac(message.rbac, scope.at("rbac"))


def _tree(message: Any, name: str, scope: Scope) -> TreeRules | None:  # noqa: ANN401 - protobuf
    """Compile a tree of conditions; rules beside one mean nothing."""
    if not message.HasField(name):
        return None
    http = "rules_stat_prefix" in type(message).DESCRIPTOR.fields_by_name
    told = "RBAC HTTP filter cannot match on" if http else "RBAC network filter cannot match"
    logs: list[bool] = []

    def decision(action: Any, inner: Scope) -> Decision:  # noqa: ANN401 - protobuf
        if not action.name:
            raise inner.reject(
                "ActionValidationError.Name: value length must be at least 1 characters"
            )
        logs.append(_ACTIONS[action.action] is Action.LOG)
        return Decision(name=action.name, action=_ACTIONS[action.action], field=inner.ref)

    def refusal(kind: str) -> str | None:
        known = kind in (_HTTP_INPUTS if http else _NETWORK_INPUTS)
        return None if known else f"{told} 'type.googleapis.com/{kind}'"

    inner = scope.at(name)
    tree = match_tree(getattr(message, name), inner, decision, refusal)
    return TreeRules(tree=tree, logs=any(logs), field=inner.ref)


def _rules(message: Any, name: str, scope: Scope) -> Rules | None:  # noqa: ANN401 - protobuf
    if not message.HasField(name):
        return None
    rules, inner = getattr(message, name), scope.at(name)
    inner.only(rules, "action policies")
    if rules.action >= len(_ACTIONS):
        raise inner.reject(
            "RBACValidationError.Action: value must be one of the defined enum values"
        )
    return Rules(
        action=_ACTIONS[rules.action],
        policies=tuple(
            _policy(one, rules.policies[one], inner.at("policies", one))
            for one in sorted(rules.policies)
        ),
        field=inner.ref,
    )


def _policy(name: str, message: Any, scope: Scope) -> Policy:  # noqa: ANN401 - protobuf
    scope.only(message, "permissions principals condition")
    for each in ("permissions", "principals"):
        if not getattr(message, each):
            raise scope.reject(
                f"PolicyValidationError.{each.capitalize()}: value must contain at least 1 item(s)"
            )
    return Policy(
        name=name,
        permissions=AnyOf(_each(message.permissions, scope, "permissions", _permission)),
        principals=AnyOf(_each(message.principals, scope, "principals", _principal)),
        condition=_condition(message, scope.at("condition")),
        field=scope.ref,
    )


def _condition(message: Any, scope: Scope) -> Rule | None:  # noqa: ANN401 - protobuf
    if not message.HasField("condition"):
        return None
    try:
        tree = expression(message.condition)
        cel.check(tree)
    except BadExpressionError as error:
        raise scope.reject(f"failed to create an expression: {error}") from error
    except UnmodelledError as error:
        scope.skip("", f"{error} is not known: the condition is taken to hold")
        return None
    return Expression(tree)


def _each(
    messages: Any,  # noqa: ANN401 - protobuf
    scope: Scope,
    name: str,
    one: Callable[[Any, Scope], Rule],
) -> tuple[Rule, ...]:
    return tuple(one(each, scope.at(name, at)) for at, each in enumerate(messages))


def _permission(message: Any, scope: Scope) -> Rule:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("rule")
    match which:
        case None:
            raise scope.reject("PermissionValidationError.Rule: value is required")
        case "and_rules":
            return All(_each(message.and_rules.rules, scope.at(which), "rules", _permission))
        case "or_rules":
            return AnyOf(_each(message.or_rules.rules, scope.at(which), "rules", _permission))
        case "not_rule":
            return Not(_permission(message.not_rule, scope.at(which)), scope.at(which).path)
        case "destination_port":
            return Port(message.destination_port, message.destination_port + 1)
        case "destination_port_range":
            return _range(message.destination_port_range, scope.at(which))
        case "requested_server_name":
            return ServerName(string_matcher(message.requested_server_name, scope.at(which)))
        case "uri_template":
            return template_matcher(message.uri_template, scope.at(which))
        case "matcher":
            scope.skip(which, "no request and no connection is as it asks")
            return Not(Always(), scope.at(which).path)
    return _either(message, which, scope)


def _range(message: Any, scope: Scope) -> Port:  # noqa: ANN401 - protobuf
    for name, value in (("start", message.start), ("end", message.end)):
        if not 0 <= value <= 65_536:
            raise scope.reject(f"range {name} {value} is out of bounds")
    if message.start >= message.end:
        raise scope.reject(
            f"range start {message.start} cannot be greater or equal than range end {message.end}"
        )
    return Port(message.start, message.end)


def _principal(message: Any, scope: Scope) -> Rule:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("identifier")
    match which:
        case None:
            raise scope.reject("PrincipalValidationError.Identifier: value is required")
        case "and_ids":
            return All(_each(message.and_ids.ids, scope.at(which), "ids", _principal))
        case "or_ids":
            return AnyOf(_each(message.or_ids.ids, scope.at(which), "ids", _principal))
        case "not_id":
            return Not(_principal(message.not_id, scope.at(which)), scope.at(which).path)
        case "authenticated":
            name = message.authenticated
            if not name.HasField("principal_name"):
                return Authenticated(None)
            inner = scope.at(which).at("principal_name")
            return Authenticated(string_matcher(name.principal_name, inner))
        case "filter_state":
            return filter_state_matcher(message.filter_state, scope.at(which))
        case "custom":
            scope.skip(which, "nobody is as it asks")
            return Not(Always(), scope.at(which).path)
    return _either(message, which, scope)


def _either(message: Any, which: str, scope: Scope) -> Rule:  # noqa: ANN401 - protobuf
    """Compile what permissions and principals have in common."""
    inner = scope.at(which)
    match which:
        case "any":
            if not message.any:
                kind = type(message).DESCRIPTOR.name
                raise scope.reject(f"{kind}ValidationError.Any: value must equal true")
            return Always()
        case "header":
            return header_matcher(message.header, inner)
        case "url_path":
            return UrlPath(string_matcher(message.url_path.path, inner.at("path")))
        case "metadata":
            return metadata_matcher(message.metadata, inner)
        case "sourced_metadata":
            sourced = message.sourced_metadata
            if sourced.metadata_source:
                inner.skip("metadata_source", "the stream's dynamic metadata is looked at")
            return metadata_matcher(sourced.metadata_matcher, inner.at("metadata_matcher"))
    (network,) = networks([getattr(message, which)], inner)
    return Address(Side(which), network)
