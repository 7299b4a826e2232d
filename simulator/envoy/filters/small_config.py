"""Filters that need few words, as configured.

Models    envoy.extensions.filters.http.{buffer,cors,header_mutation,health_check,local_ratelimit,
          set_metadata}.v3
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulator.envoy.filters.fault_config import Fraction
from simulator.envoy.filters.ratelimit_config import VhRateLimits
from simulator.envoy.match import HeaderMatcher, StringMatcher
from simulator.envoy.mutation import Mutations
from simulator.envoy.rate_limit import Descriptor, RateLimit
from simulator.envoy.token_bucket import Bucket
from simulator.observe.explain import FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferConfig:
    """envoy.extensions.filters.http.buffer.v3.Buffer."""

    max_request_bytes: int | None
    """None: switched off."""


@dataclass(frozen=True, slots=True)
class CorsConfig:
    """envoy.extensions.filters.http.cors.v3.Cors: what is allowed, routes say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsPolicy:
    """envoy.extensions.filters.http.cors.v3.CorsPolicy."""

    field: FieldRef
    origins: tuple[StringMatcher, ...]
    methods: str
    headers: str
    exposed: str
    max_age: str
    credentials: bool | None
    """None, here and below: another level may say."""
    private_network: bool | None
    enabled: Fraction
    forward_not_matching: bool | None

    def over(self, less: CorsPolicy) -> CorsPolicy:
        """Return what holds of this policy and a less specific one: they agree field by field."""
        return replace(
            self,
            origins=self.origins or less.origins,
            methods=self.methods or less.methods,
            headers=self.headers or less.headers,
            exposed=self.exposed or less.exposed,
            max_age=self.max_age or less.max_age,
            credentials=_first(self.credentials, less.credentials),
            private_network=_first(self.private_network, less.private_network),
            forward_not_matching=_first(self.forward_not_matching, less.forward_not_matching),
        )

    def allows(self, origin: str) -> bool:
        """Say whether pages of an origin may read the answer."""
        return any(one.matches("*") or one.matches(origin) for one in self.origins)


def _first(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 - two alike
    return other if one is None else one


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderMutationConfig:
    """envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, of any level."""

    request: tuple[Mutations, ...]
    """One after the other."""
    response: tuple[Mutations, ...]
    most_specific_wins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckConfig:
    """envoy.extensions.filters.http.health_check.v3.HealthCheck."""

    pass_through: bool
    headers: tuple[HeaderMatcher, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDescriptor:
    """envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor: a bucket of its own."""

    field: FieldRef
    entries: Descriptor
    """An empty value stands for any: each has a bucket."""
    bucket: Bucket

    def takes(self, found: Descriptor) -> bool:
        """Say whether a request's descriptor is this one."""
        return len(found) == len(self.entries) and all(
            key == wanted and (not text or text == value)
            for (wanted, text), (key, value) in zip(self.entries, found, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRateLimitConfig:
    """envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit."""

    field: FieldRef
    bucket: Bucket | None
    descriptors: tuple[LocalDescriptor, ...]
    rate_limits: tuple[RateLimit, ...]
    """Where given, those of routes mean nothing."""
    stage: int
    vh_rate_limits: VhRateLimits
    always_consume: bool
    """Whether the bucket loses a token where a descriptor has a bucket, too."""
    status: int
    enabled: Fraction
    enforced: Fraction
    request_headers: Mutations
    """To requests that are over the limit, where that is not enforced."""
    response_headers: Mutations
    x_ratelimit_headers: bool
    retry_after: bool
    resource_exhausted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMetadata:
    """One entry of envoy.extensions.filters.http.set_metadata.v3.Config."""

    namespace: str
    value: Mapping[str, Any]
    overwrite: bool


@dataclass(frozen=True, slots=True)
class SetMetadataConfig:
    """envoy.extensions.filters.http.set_metadata.v3.Config."""

    entries: tuple[SetMetadata, ...]
