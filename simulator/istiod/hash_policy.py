"""Write what of a request chooses its endpoint, where a DestinationRule asks for a hash.

Models    envoy.config.route.v3.RouteAction.HashPolicy
Follows   istio pilot/pkg/networking/core/route/route.go (consistentHashToHashPolicy)
"""

from __future__ import annotations

from typing import Any

from simulator.config.istio import ConsistentHash, Destination, TrafficPolicy
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.part import Part, duration
from simulator.istiod.registry import Service
from simulator.istiod.scope import Scope
from simulator.istiod.traffic_policy import blocks


def of_service(scope: Scope, service: Service, port: int) -> Part | None:
    """Return the policy for a service that no VirtualService speaks of."""
    rule = scope.destination_rule(service.hostname)
    if rule is None:
        return None
    return _of(rule.policy, port, rule.policy_source, "spec.trafficPolicy")


def of_destination(scope: Scope, destination: Destination, namespace: str) -> Part | None:
    """Return the policy for one destination of a VirtualService: the subset's before the rule's."""
    rule = scope.destination_rule(names.resolve(destination.host, namespace))
    if rule is None:
        return None
    port = destination.port.number if destination.port is not None else 0
    placed = rule.subset(destination.subset)
    if placed is not None:
        at = f"{placed.at}.trafficPolicy"
        found = _of(placed.subset.traffic_policy, port, placed.source, at)
        if found is not None:
            return found
    return _of(rule.policy, port, rule.policy_source, "spec.trafficPolicy")


def _of(policy: TrafficPolicy | None, port: int, source: Object, at: str) -> Part | None:
    """Return the hash that a policy has for the port, or else for all ports."""
    if policy is None:
        return None
    for place in (blocks(policy, port, source, at), blocks(policy, 0, source, at)):
        block = place.get("load_balancer")
        chosen = block.value.consistent_hash if block is not None else None
        if block is not None and chosen is not None:
            part = Part(value=_policy(chosen))
            if part.value:
                part.note("", block.source, f"{block.at}.consistentHash")
                return part
    return None


def _policy(chosen: ConsistentHash) -> dict[str, Any]:
    if chosen.http_header_name:
        return {"header": {"header_name": chosen.http_header_name}}
    cookie = chosen.http_cookie
    if cookie is not None:
        value: dict[str, Any] = {"name": cookie.name, "path": cookie.path}
        if cookie.ttl_ns is not None:
            value["ttl"] = duration(cookie.ttl_ns)
        return {"cookie": value}
    if chosen.use_source_ip is not None:
        return {"connection_properties": {"source_ip": chosen.use_source_ip}}
    if chosen.http_query_parameter_name:
        return {"query_parameter": {"name": chosen.http_query_parameter_name}}
    return {}
