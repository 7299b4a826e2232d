"""Compile envoy.type.matcher.v3.StringMatcher."""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.fields import regex
from simulator.envoy.match import StringKind, StringMatcher
from simulator.envoy.rejected import Scope


def string_matcher(message: Any, scope: Scope) -> StringMatcher:  # noqa: ANN401 - protobuf
    """Compile an envoy.type.matcher.v3.StringMatcher."""
    which = message.WhichOneof("match_pattern")
    if which == "safe_regex":
        return StringMatcher(StringKind.REGEX, regex(message.safe_regex, scope.at(which)))
    if which is None:
        raise scope.reject("StringMatcherValidationError.MatchPattern: value is required")
    if which == "custom":
        raise scope.reject("custom string matchers are not simulated")
    value = str(getattr(message, which))
    if not value and which != "exact":
        name = which.capitalize()
        raise scope.reject(
            f"StringMatcherValidationError.{name}: value length must be at least 1 characters"
        )
    ignore_case = bool(message.ignore_case)
    return StringMatcher(StringKind(which), value.lower() if ignore_case else value, ignore_case)
