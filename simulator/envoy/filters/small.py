"""Filters that need few words: buffer, header mutation, health check, set_metadata.

Models    envoy.extensions.filters.http.{buffer,header_mutation,health_check,set_metadata}.v3
Follows   envoy/source/extensions/filters/http/{buffer/buffer_filter,
          header_mutation/header_mutation,health_check/health_check,
          set_metadata/set_metadata_filter}.cc
Leaves    health by the state of clusters, cached answers (docs/fidelity.md#small-filters)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from simulator.envoy.commands import Response
from simulator.envoy.filters.passing import Answer, Passing
from simulator.envoy.filters.small_config import (
    BufferConfig,
    HeaderMutationConfig,
    HealthCheckConfig,
    SetMetadataConfig,
)
from simulator.envoy.format_commands import Facts
from simulator.envoy.header_map import Headers, with_headers, without
from simulator.envoy.headers import mutate
from simulator.envoy.mutation import Mutations
from simulator.envoy.route import RouteMatch


def buffer(base: BufferConfig, passing: Passing) -> Answer | None:
    """Refuse a request that is too large to be held as a whole."""
    config = passing.own if isinstance(passing.own, BufferConfig) else base
    told = passing.request.first("content-length") or ""
    length = int(told) if told.isdigit() else len(passing.request.body.encode())
    if config.max_request_bytes is None or length <= config.max_request_bytes:
        return None
    reason = f"{length} bytes are more than the {config.max_request_bytes} that are held"
    passing.note("buffer", "too large", reason)
    return Answer(status=413, body="Payload Too Large", details="request_payload_too_large")


def health_check(config: HealthCheckConfig, passing: Passing) -> Answer | None:
    """Answer a health check in the name of the workload."""
    request = passing.request
    if not all(one.matches(request.values(one.name)) for one in config.headers):
        return None
    passing.info = replace(passing.info, health_check=True)
    if config.pass_through:
        return None
    passing.note("health check", "answered", "the proxy itself answers health checks")
    headers = (("x-envoy-upstream-healthchecked-cluster", ""),)
    return Answer(status=200, details="health_check_ok", headers=headers)


def set_metadata(config: SetMetadataConfig, passing: Passing) -> None:
    """Add to the dynamic metadata; what is there stays unless it may be overwritten."""
    for entry in config.entries:
        there = passing.info.metadata.get(entry.namespace)
        if there is None or entry.overwrite:
            passing.set_metadata(entry.namespace, _merged(there or {}, entry.value))


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[key] = [*before, *value]
        else:
            merged[key] = value
    return merged


def mutate_request(base: HeaderMutationConfig, passing: Passing) -> None:
    """Change a request's headers, as all levels say."""
    request = passing.request
    facts = passing.facts()
    for level in _levels(base, passing):
        headers = _changed(level.request, request.headers, facts)
        request = with_headers(request, headers)
        facts = replace(facts, request=request)
    passing.request = request


def mutate_response(base: HeaderMutationConfig, passing: Passing, response: Response) -> Response:
    """Change a response's headers, as all levels say."""
    headers = response.headers
    for level in _levels(base, passing):
        facts = passing.facts(replace(response, headers=headers))
        headers = _changed(level.response, headers, facts)
    return replace(response, headers=headers)


def _levels(base: HeaderMutationConfig, passing: Passing) -> list[HeaderMutationConfig]:
    match = passing.match
    found = match.overrides(passing.name) if isinstance(match, RouteMatch) else []
    levels = [one.config for one in found if isinstance(one.config, HeaderMutationConfig)]
    return [base, *(reversed(levels) if base.most_specific_wins else levels)]


def _changed(mutations: Iterable[Mutations], headers: Headers, facts: Facts) -> Headers:
    for one in mutations:
        headers = mutate(one, without(headers, one.remove), facts)
    return headers
