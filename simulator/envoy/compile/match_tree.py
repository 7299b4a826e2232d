"""Compile Envoy's generic matching API.

Models    xds.type.matcher.v3.Matcher
Follows   envoy/source/common/matcher/matcher.h (MatchTreeFactory)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.match_tree import (
    Either,
    Every,
    HeaderInput,
    Input,
    Leaf,
    ListTree,
    MapTree,
    NoInput,
    Not,
    Predicate,
    QueryInput,
    Single,
    Skip,
    Tree,
)
from simulator.envoy.rejected import Scope
from simulator.envoy_api import name_of, unpack

Action = TypeVar("Action")
_HEADER = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_QUERY = "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput"


def match_tree(message: Any, scope: Scope, action: Callable[[Any, Scope], Action]) -> Tree[Action]:  # noqa: ANN401
    """Compile a Matcher; `action` compiles the messages that it leads to."""
    otherwise = (
        _on_match(message.on_no_match, scope.at("on_no_match"), action)
        if message.HasField("on_no_match")
        else None
    )
    which = message.WhichOneof("matcher_type")
    if which == "matcher_tree":
        return _map(message.matcher_tree, scope.at(which), otherwise, action)
    entries = []
    for at, one in enumerate(message.matcher_list.matchers):
        inner = scope.at("matcher_list").at("matchers", at)
        leads = _on_match(one.on_match, inner.at("on_match"), action)
        entries.append((_predicate(one.predicate, inner.at("predicate")), leads))
    return ListTree(tuple(entries), otherwise)


def _map(
    message: Any,  # noqa: ANN401 - protobuf
    scope: Scope,
    otherwise: Tree[Action] | None,
    action: Callable[[Any, Scope], Action],
) -> Tree[Action]:
    which = message.WhichOneof("tree_type")
    if which == "custom_match":
        scope.skip(which, "it never matches")
        return ListTree((), otherwise)
    entries = {
        key: _on_match(one, scope.at(which).at("map", key), action)
        for key, one in sorted(getattr(message, which).map.items())
    }
    source = _input(message.input, scope.at("input"))
    return MapTree(source, entries, which == "prefix_match_map", otherwise)


def _on_match(message: Any, scope: Scope, action: Callable[[Any, Scope], Action]) -> Tree[Action]:  # noqa: ANN401
    if message.keep_matching:
        return Skip()
    if message.WhichOneof("on_match") == "matcher":
        return match_tree(message.matcher, scope.at("matcher"), action)
    inner = scope.at("action").at("typed_config")
    return Leaf(action(unpack(message.action.typed_config), inner))


def _predicate(message: Any, scope: Scope) -> Predicate:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("match_type")
    inner = scope.at(which)
    match which:
        case "or_matcher" | "and_matcher":
            parts = tuple(
                _predicate(one, inner.at("predicate", at))
                for at, one in enumerate(getattr(message, which).predicate)
            )
            return Either(parts) if which == "or_matcher" else Every(parts)
        case "not_matcher":
            return Not(_predicate(message.not_matcher, inner))
    single = message.single_predicate
    source = _input(single.input, inner.at("input"))
    if single.WhichOneof("matcher") == "custom_match":
        inner.skip("custom_match", "it never matches")
        return Single(source, None)
    return Single(source, string_matcher(single.value_match, inner.at("value_match")))


def _input(extension: Any, scope: Scope) -> Input:  # noqa: ANN401 - protobuf
    config = unpack(extension.typed_config)
    if name_of(config) == _HEADER:
        return HeaderInput(config.header_name.lower())
    if name_of(config) == _QUERY:
        return QueryInput(config.query_param)
    scope.skip("", "the input never has a value")
    return NoInput()
