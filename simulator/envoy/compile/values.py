"""Compile envoy.type.matcher.v3.ValueMatcher."""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.metadata_match import ValueMatcher
from simulator.envoy.rejected import Scope


def value_matcher(message: Any, scope: Scope) -> ValueMatcher:  # noqa: ANN401 - protobuf
    """Compile a condition on a JSON value."""
    which = message.WhichOneof("match_pattern")
    match which:
        case None:
            raise scope.reject("ValueMatcherValidationError.MatchPattern: value is required")
        case "string_match":
            text = string_matcher(message.string_match, scope.at(which))
            return ValueMatcher(kind=which, text=text)
        case "double_match":
            double = message.double_match
            if double.WhichOneof("match_pattern") == "range":
                return ValueMatcher(kind=which, number=(double.range.start, double.range.end))
            return ValueMatcher(kind=which, number=double.exact)
        case "bool_match" | "present_match":
            return ValueMatcher(kind=which, flag=bool(getattr(message, which)))
        case "list_match":
            inner = scope.at(which).at("one_of")
            return ValueMatcher(
                kind=which, alternatives=(value_matcher(message.list_match.one_of, inner),)
            )
        case "or_match":
            inner = scope.at(which)
            return ValueMatcher(
                kind=which,
                alternatives=tuple(
                    value_matcher(one, inner.at("value_matchers", at))
                    for at, one in enumerate(message.or_match.value_matchers)
                ),
            )
    return ValueMatcher(kind=which)
