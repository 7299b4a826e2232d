"""Compile the JWT authentication filter.

Models    envoy.extensions.filters.http.jwt_authn.v3.{JwtAuthentication, PerRouteConfig}
Follows   envoy/source/extensions/filters/http/jwt_authn/{filter_config,jwks_cache,verifier}.cc
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.envoy.compile.fields import optional_ns
from simulator.envoy.compile.matchers import conditions, path_matcher
from simulator.envoy.compile.strings import string_matcher
from simulator.envoy.filters.jwt_config import (
    AllOf,
    AnyOf,
    ByProvider,
    HeaderPlace,
    JwtConfig,
    JwtPerRoute,
    Lenient,
    Provider,
    Requirement,
    RequirementRule,
)
from simulator.envoy.filters.jwt_extract import DEFAULT_HEADERS, DEFAULT_PARAMS
from simulator.envoy.filters.jwt_keys import BadKeysError, Key, parse
from simulator.envoy.filters.jwt_token import NO_KEYS, plain_audience
from simulator.envoy.rejected import Scope

_CLOCK_SKEW_S = 60
_PROVIDER = """
    issuer audiences subjects require_expiration max_lifetime remote_jwks local_jwks forward
    from_headers from_params from_cookies forward_payload_header pad_forward_payload_header
    payload_in_metadata normalize_payload_in_metadata header_in_metadata clock_skew_seconds
    jwt_cache_config claim_to_headers clear_route_cache
"""
_Providers = Mapping[str, Provider]


def jwt(message: Any, scope: Scope) -> JwtConfig:  # noqa: ANN401 - protobuf
    """Compile a JwtAuthentication."""
    scope.only(
        message,
        "providers rules requirement_map bypass_cors_preflight strip_failure_response stat_prefix",
    )
    providers = {
        name: _provider(name, message.providers[name], scope.at("providers", name))
        for name in sorted(message.providers)
    }
    named = {
        name: _requirement(
            message.requirement_map[name], providers, scope.at("requirement_map", name)
        )
        for name in sorted(message.requirement_map)
    }
    return JwtConfig(
        field=scope.ref,
        providers=tuple(providers.values()),
        rules=tuple(
            _rule(one, providers, named, scope.at("rules", at))
            for at, one in enumerate(message.rules)
        ),
        named=named,
        bypass_cors_preflight=bool(message.bypass_cors_preflight),
        strip_failure_response=bool(message.strip_failure_response),
    )


def jwt_per_route(message: Any, scope: Scope) -> JwtPerRoute:  # noqa: ANN401 - protobuf
    """Compile a PerRouteConfig."""
    if message.WhichOneof("requirement_specifier") is None:
        raise scope.reject("PerRouteConfigValidationError.RequirementSpecifier: value is required")
    return JwtPerRoute(requirement_name=message.requirement_name)


def _provider(name: str, message: Any, scope: Scope) -> Provider:  # noqa: ANN401 - protobuf
    scope.only(message, _PROVIDER)
    keys, no_keys = _keys(name, message, scope)
    headers = tuple(HeaderPlace(one.name.lower(), one.value_prefix) for one in message.from_headers)
    params, cookies = tuple(message.from_params), tuple(message.from_cookies)
    if not (headers or params or cookies):
        headers, params = DEFAULT_HEADERS, DEFAULT_PARAMS
    subjects = message.subjects if message.HasField("subjects") else None
    lifetime = optional_ns(message, "max_lifetime")
    return Provider(
        name=name,
        field=scope.ref,
        issuer=message.issuer,
        audiences=frozenset(plain_audience(one) for one in message.audiences),
        subjects=None if subjects is None else string_matcher(subjects, scope.at("subjects")),
        require_expiration=bool(message.require_expiration),
        max_lifetime_s=None if lifetime is None else lifetime // 1_000_000_000,
        keys=keys,
        no_keys=no_keys,
        forward=bool(message.forward),
        headers=headers,
        params=params,
        cookies=cookies,
        payload_header=message.forward_payload_header.lower(),
        pad_payload=bool(message.pad_forward_payload_header),
        payload_in_metadata=message.payload_in_metadata,
        header_in_metadata=message.header_in_metadata,
        space_delimited=tuple(message.normalize_payload_in_metadata.space_delimited_claims),
        clock_skew_s=int(message.clock_skew_seconds) or _CLOCK_SKEW_S,
        claim_to_headers=tuple(
            (one.header_name.lower(), one.claim_name) for one in message.claim_to_headers
        ),
        clear_route_cache=bool(message.clear_route_cache),
    )


def _keys(name: str, message: Any, scope: Scope) -> tuple[tuple[Key, ...], str]:  # noqa: ANN401
    """Return a provider's keys, or why it has none."""
    which = message.WhichOneof("jwks_source_specifier")
    if which is None:
        raise scope.reject("JwtProviderValidationError.JwksSourceSpecifier: value is required")
    if which == "remote_jwks":
        scope.skip(which, "keys are not fetched: no token of this provider is believed")
        return (), "Jwks remote fetch is failed"
    source = message.local_jwks
    match source.WhichOneof("specifier"):
        case "inline_string":
            text = source.inline_string
        case "inline_bytes":
            text = source.inline_bytes.decode(errors="replace")
        case _:
            scope.skip(which, "keys are read from no file: no token of this provider is believed")
            return (), NO_KEYS
    try:
        return parse(text), ""
    except BadKeysError as error:
        raise scope.reject(
            f"Provider '{name}' in jwt_authn config has invalid local jwks: {error}"
        ) from error


def _rule(
    message: Any,  # noqa: ANN401 - protobuf
    providers: _Providers,
    named: Mapping[str, Requirement | None],
    scope: Scope,
) -> RequirementRule:
    if not message.HasField("match"):
        raise scope.reject("RequirementRuleValidationError.Match: value is required")
    at = scope.at("match")
    requirement = None
    match message.WhichOneof("requirement_type"):
        case "requires":
            requirement = _requirement(message.requires, providers, scope.at("requires"))
        case "requirement_name":
            if message.requirement_name not in named:
                raise scope.reject(
                    f"Wrong requirement_name: {message.requirement_name}. "
                    f"It should be one of [{','.join(named)}]"
                )
            requirement = named[message.requirement_name]
    return RequirementRule(
        conditions=(*conditions(message.match, at), path_matcher(message.match, at)),
        requirement=requirement,
        field=scope.ref,
    )


def _requirement(message: Any, providers: _Providers, scope: Scope) -> Requirement | None:  # noqa: ANN401
    which = message.WhichOneof("requires_type")
    match which:
        case "provider_name":
            return ByProvider(_known(message.provider_name, providers, scope))
        case "provider_and_audiences":
            both = message.provider_and_audiences
            audiences = frozenset(plain_audience(one) for one in both.audiences)
            return ByProvider(_known(both.provider_name, providers, scope), audiences or None)
        case "requires_any":
            return _any_of(message.requires_any.requirements, providers, scope.at(which))
        case "requires_all":
            inner = scope.at(which)
            found = (
                _requirement(one, providers, inner.at("requirements", at))
                for at, one in enumerate(message.requires_all.requirements)
            )
            return AllOf(tuple(one for one in found if one is not None))
        case "allow_missing_or_failed" | "allow_missing":
            return Lenient(tuple(providers.values()), which == "allow_missing_or_failed")
        case "extract_only_without_validation":
            scope.skip(which, "nothing is extracted, and nothing required")
    return None


def _any_of(messages: Any, providers: _Providers, scope: Scope) -> Requirement | None:  # noqa: ANN401
    """Compile `requires_any`; what is lenient looks at the tokens of the others alone."""
    strict: list[Requirement] = []
    used: dict[str, Provider] = {}
    lenient: str | None = None
    for at, one in enumerate(messages):
        which = one.WhichOneof("requires_type")
        if which in ("allow_missing", "allow_missing_or_failed"):
            lenient = which if lenient != "allow_missing_or_failed" else lenient
            continue
        found = _requirement(one, providers, scope.at("requirements", at))
        if found is None:
            return None
        strict.append(found)
        if isinstance(found, ByProvider):
            used[found.provider.name] = found.provider
    if lenient is not None:
        among = tuple(used.values()) or tuple(providers.values())
        strict.append(Lenient(among, lenient == "allow_missing_or_failed"))
    return AnyOf(tuple(strict))


def _known(name: str, providers: _Providers, scope: Scope) -> Provider:
    if name not in providers:
        raise scope.reject(f"Required provider ['{name}'] is not configured.")
    return providers[name]
