"""Compile the conditions of a route.

Models    envoy.config.route.v3.{RouteMatch, HeaderMatcher, QueryParameterMatcher}
Follows   envoy/source/common/http/header_utility.cc, source/common/router/config_impl.cc
"""

from __future__ import annotations

from typing import Any

from simulator.envoy import uri_template
from simulator.envoy.compile.fields import fraction, networks, regex
from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.compile.values import value_matcher
from simulator.envoy.match import (
    Condition,
    CookieMatcher,
    FractionMatcher,
    GrpcMatcher,
    HeaderMatcher,
    PathKind,
    PathMatcher,
    QueryMatcher,
    StringKind,
    StringMatcher,
    TlsMatcher,
)
from simulator.envoy.metadata_match import FilterStateMatcher, MetadataMatcher
from simulator.envoy.rejected import Scope
from simulator.envoy_api import unpack

_TEMPLATE_MATCH = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def header_matcher(message: Any, scope: Scope) -> HeaderMatcher:  # noqa: ANN401 - protobuf
    """Compile an envoy.config.route.v3.HeaderMatcher, its deprecated spellings included."""
    if not message.name:
        raise scope.reject(
            "HeaderMatcherValidationError.Name: value length must be at least 1 characters"
        )
    which = message.WhichOneof("header_match_specifier")
    text: StringMatcher | None = None
    limits: tuple[int, int] | None = None
    present: bool | None = None
    match which:
        case None:
            present = True
        case "present_match":
            present = bool(message.present_match)
        case "range_match":
            limits = (int(message.range_match.start), int(message.range_match.end))
        case "safe_regex_match":
            pattern = regex(message.safe_regex_match, scope.at(which))
            text = StringMatcher(StringKind.REGEX, pattern)
        case "string_match":
            text = string_matcher(message.string_match, scope.at(which))
        case _:
            text = _deprecated(message, which, scope)
    return HeaderMatcher(
        name=message.name.lower(),
        field=scope.path,
        text=text,
        range=limits,
        present=present,
        invert=bool(message.invert_match),
        missing_is_empty=bool(message.treat_missing_header_as_empty),
    )


def _deprecated(message: Any, which: str, scope: Scope) -> StringMatcher:  # noqa: ANN401
    value = str(getattr(message, which))
    kind = StringKind(which.removesuffix("_match"))
    if not value and kind is not StringKind.EXACT:
        name = kind.capitalize()
        raise scope.reject(
            f"HeaderMatcherValidationError.{name}Match: value length must be at least 1 characters"
        )
    return StringMatcher(kind, value)


def query_matcher(message: Any, scope: Scope) -> QueryMatcher:  # noqa: ANN401 - protobuf
    """Compile an envoy.config.route.v3.QueryParameterMatcher."""
    if not message.name:
        raise scope.reject(
            "QueryParameterMatcherValidationError.Name: value length must be at least 1 characters"
        )
    which = message.WhichOneof("query_parameter_match_specifier")
    if which == "string_match":
        text = string_matcher(message.string_match, scope.at(which))
        return QueryMatcher(name=message.name, field=scope.path, text=text)
    present = which is None or bool(message.present_match)
    return QueryMatcher(name=message.name, field=scope.path, present=present)


def _cookie(message: Any, scope: Scope) -> CookieMatcher:  # noqa: ANN401 - protobuf
    return CookieMatcher(
        name=message.name,
        field=scope.path,
        text=string_matcher(message.string_match, scope.at("string_match")),
        invert=bool(message.invert_match),
    )


def _fraction(message: Any, scope: Scope) -> FractionMatcher:  # noqa: ANN401 - protobuf
    numerator, denominator = fraction(message.default_value, scope.at("default_value"))
    return FractionMatcher(
        numerator=numerator,
        denominator=denominator,
        runtime_key=message.runtime_key,
        field=scope.path,
    )


def _tls(message: Any, scope: Scope) -> TlsMatcher:  # noqa: ANN401 - protobuf
    return TlsMatcher(
        field=scope.path,
        presented=message.presented.value if message.HasField("presented") else None,
        validated=message.validated.value if message.HasField("validated") else None,
    )


def metadata_matcher(message: Any, scope: Scope) -> MetadataMatcher:  # noqa: ANN401 - protobuf
    """Compile an envoy.type.matcher.v3.MetadataMatcher."""
    return MetadataMatcher(
        filter=message.filter,
        path=tuple(step.key for step in message.path),
        value=value_matcher(message.value, scope.at("value")),
        invert=bool(message.invert),
        field=scope.path,
    )


def filter_state_matcher(message: Any, scope: Scope) -> FilterStateMatcher:  # noqa: ANN401
    """Compile an envoy.type.matcher.v3.FilterStateMatcher."""
    which = message.WhichOneof("matcher")
    if which == "string_match":
        text = string_matcher(message.string_match, scope.at(which))
        return FilterStateMatcher(key=message.key, field=scope.path, text=text)
    if which is None:
        raise scope.reject("FilterStateMatcherValidationError.Matcher: value is required")
    return FilterStateMatcher(
        key=message.key,
        field=scope.path,
        networks=networks(message.address_match.ranges, scope.at(which)),
        invert=bool(message.address_match.invert_match),
    )


def conditions(message: Any, scope: Scope) -> tuple[Condition, ...]:  # noqa: ANN401 - protobuf
    """Compile all that a RouteMatch asks, but for the path, in Envoy's order of asking."""
    scope.only(message, _MODELLED)
    found: list[Condition] = []
    if message.HasField("runtime_fraction"):
        found.append(_fraction(message.runtime_fraction, scope.at("runtime_fraction")))
    if message.HasField("grpc"):
        found.append(GrpcMatcher(field=scope.at("grpc").path))
    found += (header_matcher(m, scope.at("headers", i)) for i, m in enumerate(message.headers))
    found += (
        query_matcher(m, scope.at("query_parameters", i))
        for i, m in enumerate(message.query_parameters)
    )
    found += (_cookie(m, scope.at("cookies", i)) for i, m in enumerate(message.cookies))
    if message.HasField("tls_context"):
        found.append(_tls(message.tls_context, scope.at("tls_context")))
    found += (
        metadata_matcher(m, scope.at("dynamic_metadata", i))
        for i, m in enumerate(message.dynamic_metadata)
    )
    found += (
        filter_state_matcher(m, scope.at("filter_state", i))
        for i, m in enumerate(message.filter_state)
    )
    return tuple(found)


_MODELLED = """prefix path safe_regex path_separated_prefix connect_matcher path_match_policy
    case_sensitive runtime_fraction grpc headers query_parameters cookies tls_context
    dynamic_metadata filter_state"""


def path_matcher(message: Any, scope: Scope) -> PathMatcher:  # noqa: ANN401 - protobuf
    """Compile the path specifier of a RouteMatch."""
    which = message.WhichOneof("path_specifier")
    ignore_case = message.HasField("case_sensitive") and not message.case_sensitive.value
    match which:
        case None:
            raise scope.reject("RouteMatchValidationError.PathSpecifier: value is required")
        case "safe_regex":
            pattern = regex(message.safe_regex, scope.at(which))
            return PathMatcher(
                kind=PathKind.REGEX, value=pattern, regex=pattern, field=scope.at(which).path
            )
        case "path_match_policy":
            return template_matcher(message.path_match_policy, scope.at(which))
        case "connect_matcher":
            return PathMatcher(kind=PathKind.CONNECT, value="", field=scope.at(which).path)
    value = str(getattr(message, which))
    if which == "path_separated_prefix" and (
        not value.startswith("/") or value.endswith("/") or "?" in value or "#" in value
    ):
        raise scope.reject(
            "RouteMatchValidationError.PathSeparatedPrefix: value does not match regex pattern "
            '"^[^?#]+[^?#/]$"'
        )
    return PathMatcher(
        kind=PathKind(which),
        value=value.lower() if ignore_case else value,
        field=scope.at(which).path,
        ignore_case=ignore_case,
    )


def template_matcher(extension: Any, scope: Scope) -> PathMatcher:  # noqa: ANN401 - protobuf
    """Compile a path template, as routes and RBAC have it."""
    config = unpack(extension.typed_config)
    if config.DESCRIPTOR.full_name != _TEMPLATE_MATCH:
        raise scope.reject(
            f"Didn't find a registered implementation for '{extension.name}' "
            f"with type URL: '{config.DESCRIPTOR.full_name}'"
        )
    try:
        template = uri_template.parse(config.path_template)
    except uri_template.BadTemplateError as error:
        raise scope.reject(
            f"path_match_policy.path_template {config.path_template} is invalid: {error}"
        ) from error
    return PathMatcher(
        kind=PathKind.TEMPLATE,
        value=config.path_template,
        regex=template.regex,
        field=scope.path,
    )
