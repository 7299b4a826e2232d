"""Which tokens a request must bring, as configured.

Models    envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
Follows   envoy/source/extensions/filters/http/jwt_authn/{filter_config,matcher}.cc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from simulator.envoy.filters.jwt_keys import Key
from simulator.envoy.match import Condition, StringMatcher, Subject
from simulator.observe.explain import FieldRef


@dataclass(frozen=True, slots=True)
class HeaderPlace:
    """A header that may bring a token, and what stands before it there."""

    name: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """envoy.extensions.filters.http.jwt_authn.v3.JwtProvider."""

    name: str
    field: FieldRef
    issuer: str
    """Empty: any."""
    audiences: frozenset[str]
    """As they are compared; empty: any."""
    subjects: StringMatcher | None
    require_expiration: bool
    max_lifetime_s: int | None
    keys: tuple[Key, ...]
    no_keys: str
    """Why there are none, in Envoy's words."""
    forward: bool
    headers: tuple[HeaderPlace, ...]
    params: tuple[str, ...]
    cookies: tuple[str, ...]
    payload_header: str
    pad_payload: bool
    payload_in_metadata: str
    header_in_metadata: str
    space_delimited: tuple[str, ...]
    """Claims whose words become a list in the metadata."""
    clock_skew_s: int
    claim_to_headers: tuple[tuple[str, str], ...]
    """Header and claim."""
    clear_route_cache: bool


@dataclass(frozen=True, slots=True)
class ByProvider:
    """`provider_name` or `provider_and_audiences`."""

    provider: Provider
    audiences: frozenset[str] | None = None
    """In place of the provider's own."""


@dataclass(frozen=True, slots=True)
class Lenient:
    """`allow_missing` or `allow_missing_or_failed`, for tokens of some providers."""

    providers: tuple[Provider, ...]
    allow_failed: bool


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`requires_any`: lenient ones come last."""

    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """`requires_all`."""

    requirements: tuple[Requirement, ...]


Requirement: TypeAlias = ByProvider | Lenient | AnyOf | AllOf


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementRule:
    """envoy.extensions.filters.http.jwt_authn.v3.RequirementRule."""

    conditions: tuple[Condition, ...]
    requirement: Requirement | None
    field: FieldRef

    def takes(self, subject: Subject) -> bool:
        """Say whether it is for this request."""
        return all(condition.holds(subject) for condition in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtConfig:
    """envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication."""

    field: FieldRef
    providers: tuple[Provider, ...]
    rules: tuple[RequirementRule, ...]
    named: Mapping[str, Requirement | None]
    """`requirement_map`."""
    bypass_cors_preflight: bool
    strip_failure_response: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtPerRoute:
    """envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig; without a name: nothing."""

    requirement_name: str
