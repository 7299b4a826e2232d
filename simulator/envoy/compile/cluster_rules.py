"""What Envoy refuses of a cluster beyond the rules of its schema.

Follows   envoy/source/common/upstream/{upstream_impl,cluster_manager_impl}.cc,
          source/extensions/clusters/{logical_dns,original_dst}, source/extensions/
          load_balancing_policies/common/thread_aware_lb_impl.cc (validateEndpoints)
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from simulator.envoy.cluster import Discovery, Policy
from simulator.envoy.rejected import Scope

_LARGEST = 2**32 - 1
_PROVIDERS = (Discovery.ORIGINAL_DST, Discovery.AGGREGATE)
"""Kinds of clusters that choose their endpoints themselves."""


def refuse(
    message: Any,  # noqa: ANN401 - protobuf
    assignment: Any,  # noqa: ANN401 - protobuf
    kind: Discovery,
    policy: Policy,
    scope: Scope,
) -> None:
    """Raise what Envoy says of a Cluster with its ClusterLoadAssignment, if it refuses it."""
    if not message.HasField("load_balancing_policy"):
        _refuse_policy(message, kind, policy, scope)
    if kind is Discovery.ORIGINAL_DST:
        _refuse_original(message, scope)
    if kind is Discovery.LOGICAL_DNS and message.WhichOneof("cluster_discovery_type") == "type":
        _refuse_logical(message.load_assignment, scope)
    if kind is Discovery.STATIC and not message.HasField("cluster_type"):
        _refuse_names(message.load_assignment, scope)
    if kind in (Discovery.STATIC, Discovery.EDS) and policy in (Policy.RING_HASH, Policy.MAGLEV):
        _refuse_weights(assignment, scope)


def _refuse_policy(message: Any, kind: Discovery, policy: Policy, scope: Scope) -> None:  # noqa: ANN401
    provided = policy is Policy.CLUSTER_PROVIDED
    if kind is Discovery.ORIGINAL_DST and not provided:
        raise scope.reject(
            f"cluster: LB policy {policy.value} is not valid for Cluster type ORIGINAL_DST. "
            "Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'"
        )
    if kind is Discovery.AGGREGATE and not provided:
        raise scope.reject(
            f"cluster manager: cluster provided LB not specified but cluster '{message.name}' "
            "provided one. Check cluster documentation."
        )
    if provided and kind not in _PROVIDERS and not message.HasField("cluster_type"):
        raise scope.reject(
            f"cluster manager: cluster provided LB specified but cluster '{message.name}' "
            "did not provide one. Check cluster documentation."
        )


def _refuse_original(message: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    if message.HasField("load_assignment"):
        raise scope.at("load_assignment").reject(
            "ORIGINAL_DST clusters must have no load assignment configured"
        )
    config = message.original_dst_lb_config
    if config.http_header_name and not config.use_http_header:
        raise scope.at("original_dst_lb_config").reject(
            f"ORIGINAL_DST cluster: invalid config http_header_name={config.http_header_name} "
            "and use_http_header is false. Set use_http_header to true if http_header_name is "
            "desired."
        )


def _refuse_logical(assignment: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    if not assignment.endpoints:
        raise scope.reject("LOGICAL_DNS clusters must have a single host")
    if len(assignment.endpoints) != 1 or len(assignment.endpoints[0].lb_endpoints) != 1:
        raise scope.at("load_assignment").reject(
            "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint"
        )


def _refuse_names(assignment: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    for i, group in enumerate(assignment.endpoints):
        for j, entry in enumerate(group.lb_endpoints):
            address = entry.endpoint.address
            if not address.HasField("socket_address"):
                continue
            given = address.socket_address
            try:
                ip_address(given.address)
            except ValueError as error:
                if given.resolver_name:
                    continue
                where = scope.at("load_assignment").at("endpoints", i).at("lb_endpoints", j)
                raise where.reject(
                    f"malformed IP address: {given.address}. Consider setting resolver_name or "
                    "setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'"
                ) from error


def _refuse_weights(assignment: Any, scope: Scope) -> None:  # noqa: ANN401 - protobuf
    """Refuse weights that a table of hashes has no room for."""
    hosts: dict[int, int] = {}
    localities: dict[int, int] = {}
    for group in assignment.endpoints:
        at = group.priority
        localities[at] = localities.get(at, 0) + group.load_balancing_weight.value
        hosts[at] = hosts.get(at, 0) + sum(
            each.load_balancing_weight.value if each.HasField("load_balancing_weight") else 1
            for each in group.lb_endpoints
        )
    for what, sums in (
        ("upstream hosts in a locality", hosts),
        ("localities at the same priority", localities),
    ):
        if any(total > _LARGEST for total in sums.values()):
            raise scope.reject(f"The sum of weights of all {what} exceeds {_LARGEST}")
