"""Compile Envoy's generic matching API.

Models    xds.type.matcher.v3.{Matcher, IPMatcher, CelMatcher}
Follows   envoy/source/common/matcher/matcher.h (MatchTreeFactory)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from simulator.envoy import cel
from simulator.envoy.cel_parse import BadExpressionError, UnmodelledError
from simulator.envoy.compile.expressions import expression
from simulator.envoy.compile.fields import networks
from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.filters.rbac_rules import Expression
from simulator.envoy.match_input import (
    CONNECTION_INPUTS,
    ConnectionInput,
    HeaderInput,
    Input,
    NoInput,
    QueryInput,
)
from simulator.envoy.match_tree import (
    Either,
    Every,
    Leaf,
    ListTree,
    MapTree,
    Not,
    Predicate,
    Range,
    Ranges,
    RangeTree,
    Single,
    Skip,
    Tree,
)
from simulator.envoy.rejected import Scope
from simulator.envoy_api import name_of, unpack

Action = TypeVar("Action")
_HEADER = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_QUERY = "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput"
COMMON = "envoy.extensions.matching.common_inputs."
_CEL = "xds.type.matcher.v3.HttpAttributesCelMatchInput"
_RANGES = "xds.type.matcher.v3.IPMatcher"


def match_tree(
    message: Any,  # noqa: ANN401 - protobuf
    scope: Scope,
    action: Callable[[Any, Scope], Action],
    refusal: Callable[[str], str | None] = lambda _: None,
) -> Tree[Action]:
    """Compile a Matcher.

    `action` compiles the messages that it leads to; `refusal` says why an input of some kind
    is not one that may be looked at, if so.
    """
    return _Trees(action, refusal).tree(message, scope)


@dataclass(frozen=True, slots=True)
class _Trees(Generic[Action]):
    """How the trees of one user of the API are compiled."""

    action: Callable[[Any, Scope], Action]
    refusal: Callable[[str], str | None]

    def tree(self, message: Any, scope: Scope) -> Tree[Action]:  # noqa: ANN401 - protobuf
        otherwise = (
            self._on_match(message.on_no_match, scope.at("on_no_match"))
            if message.HasField("on_no_match")
            else None
        )
        which = message.WhichOneof("matcher_type")
        if which == "matcher_tree":
            return self._map(message.matcher_tree, scope.at(which), otherwise)
        entries = []
        for at, one in enumerate(message.matcher_list.matchers):
            inner = scope.at("matcher_list").at("matchers", at)
            leads = self._on_match(one.on_match, inner.at("on_match"))
            entries.append((self._predicate(one.predicate, inner.at("predicate")), leads))
        return ListTree(tuple(entries), otherwise)

    def _map(
        self,
        message: Any,  # noqa: ANN401 - protobuf
        scope: Scope,
        otherwise: Tree[Action] | None,
    ) -> Tree[Action]:
        which = message.WhichOneof("tree_type")
        source = self._input(message.input, scope.at("input"))
        if which == "custom_match":
            return self._custom_tree(message.custom_match, source, scope.at(which), otherwise)
        entries = {
            key: self._on_match(one, scope.at(which).at("map", key))
            for key, one in sorted(getattr(message, which).map.items())
        }
        return MapTree(source, entries, which == "prefix_match_map", otherwise)

    def _custom_tree(
        self,
        message: Any,  # noqa: ANN401 - protobuf
        source: Input,
        scope: Scope,
        otherwise: Tree[Action] | None,
    ) -> Tree[Action]:
        config, scope = unpack(message.typed_config), scope.at("typed_config")
        if name_of(config) != _RANGES:
            scope.skip("", "it never matches")
            return ListTree((), otherwise)
        ranges: list[Range[Action]] = []
        for at, one in enumerate(config.range_matchers):
            inner = scope.at("range_matchers", at)
            leads = self._on_match(one.on_match, inner.at("on_match"))
            ranges += [
                Range(network, bool(one.exclusive), leads)
                for network in networks(one.ranges, inner.at("ranges"))
            ]
        ranges.sort(key=lambda one: -one.network.prefixlen)
        return RangeTree(source, tuple(ranges), otherwise)

    def _on_match(self, message: Any, scope: Scope) -> Tree[Action]:  # noqa: ANN401
        if message.keep_matching:
            return Skip()
        if message.WhichOneof("on_match") == "matcher":
            return self.tree(message.matcher, scope.at("matcher"))
        inner = scope.at("action").at("typed_config")
        return Leaf(self.action(unpack(message.action.typed_config), inner))

    def _predicate(self, message: Any, scope: Scope) -> Predicate:  # noqa: ANN401 - protobuf
        which = message.WhichOneof("match_type")
        inner = scope.at(which)
        match which:
            case "or_matcher" | "and_matcher":
                parts = tuple(
                    self._predicate(one, inner.at("predicate", at))
                    for at, one in enumerate(getattr(message, which).predicate)
                )
                return Either(parts) if which == "or_matcher" else Every(parts)
            case "not_matcher":
                return Not(self._predicate(message.not_matcher, inner))
        single = message.single_predicate
        source = self._input(single.input, inner.at("input"))
        if single.WhichOneof("matcher") == "custom_match":
            return _custom(single.custom_match, source, inner.at("custom_match"))
        return Single(source, string_matcher(single.value_match, inner.at("value_match")))

    def _input(self, extension: Any, scope: Scope) -> Input:  # noqa: ANN401 - protobuf
        config = unpack(extension.typed_config)
        told = self.refusal(name_of(config))
        if told is not None:
            raise scope.reject(told)
        if name_of(config) == _HEADER:
            return HeaderInput(config.header_name.lower())
        if name_of(config) == _QUERY:
            return QueryInput(config.query_param)
        kind = name_of(config).removeprefix(COMMON)
        if kind in CONNECTION_INPUTS:
            return ConnectionInput(kind)
        if kind == _CEL:
            return NoInput()
        scope.skip("", "the input never has a value")
        return NoInput()


def _custom(message: Any, source: Input, scope: Scope) -> Predicate:  # noqa: ANN401 - protobuf
    config, scope = unpack(message.typed_config), scope.at("typed_config")
    match name_of(config):
        case "envoy.extensions.matching.input_matchers.ip.v3.Ip":
            return Single(source, Ranges(networks(config.cidr_ranges, scope.at("cidr_ranges"))))
        case "xds.type.matcher.v3.CelMatcher":
            return _cel(config.expr_match, source, scope.at("expr_match"))
    scope.skip("", "it never matches")
    return Single(source, None)


def _cel(message: Any, source: Input, scope: Scope) -> Predicate:  # noqa: ANN401 - protobuf
    kinds = ("cel_expr_checked", "cel_expr_parsed", "checked_expr", "parsed_expr")
    which = next((one for one in kinds if message.HasField(one)), None)
    if which is None:
        raise scope.reject("CelExpressionValidationError: value is required")
    try:
        tree = expression(getattr(message, which).expr)
        cel.check(tree)
    except BadExpressionError as error:
        raise scope.reject(f"failed to create an expression: {error}") from error
    except UnmodelledError as error:
        scope.skip("", f"{error} is not known: it never matches")
        return Single(source, None)
    return Expression(tree)
