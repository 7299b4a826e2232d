"""Compile how a cluster's endpoints are chosen.

Models    Cluster.{lb_policy, load_balancing_policy, common_lb_config, *_lb_config},
          envoy.extensions.load_balancing_policies.*
Follows   envoy/source/extensions/load_balancing_policies/*/config.cc
Leaves    other extensions (docs/fidelity.md#load-balancing)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

from simulator.envoy.cluster import Hashing, Policy, SlowStart, ZoneAware
from simulator.envoy.compile.fields import nanoseconds
from simulator.envoy.compile.subsets import subsets
from simulator.envoy.rejected import Scope
from simulator.envoy.subset_config import SubsetConfig
from simulator.envoy_api import name_of, unpack

_EXTENSIONS = {
    "RoundRobin": Policy.ROUND_ROBIN,
    "LeastRequest": Policy.LEAST_REQUEST,
    "Random": Policy.RANDOM,
    "RingHash": Policy.RING_HASH,
    "Maglev": Policy.MAGLEV,
    "ClusterProvided": Policy.CLUSTER_PROVIDED,
}
_LEGACY = {
    Policy.ROUND_ROBIN: "round_robin_lb_config",
    Policy.LEAST_REQUEST: "least_request_lb_config",
    Policy.RING_HASH: "ring_hash_lb_config",
    Policy.MAGLEV: "maglev_lb_config",
}


@dataclass(frozen=True, slots=True)
class _Source:
    """The message that configures a policy, and where what it shares with others stands."""

    policy: Policy
    config: Any
    """The policy's own message; None where there is none."""
    common: Any
    """What holds `consistent_hashing_lb_config` and the locality settings."""
    scope: Scope
    common_field: Scope
    subsets: SubsetConfig | None = None


def balancing(message: Any, scope: Scope) -> dict[str, Any]:  # noqa: ANN401 - protobuf
    """Return the fields of a Cluster that say how its endpoints are chosen."""
    source = _source(message, scope)
    out: dict[str, Any] = {"lb_policy": source.policy, "subsets": source.subsets}
    if source.config is not None:
        out |= _own(source)
    if source.policy in (Policy.RING_HASH, Policy.MAGLEV):
        out["hashing"] = _hashing(source)
    out |= _by_locality(source)
    return out


def _source(message: Any, scope: Scope) -> _Source:  # noqa: ANN401 - protobuf
    if message.HasField("load_balancing_policy"):
        return _extension(message.load_balancing_policy, scope.at("load_balancing_policy"))
    common = scope.at("common_lb_config")
    names = message.DESCRIPTOR.enum_types_by_name["LbPolicy"].values_by_number
    name = names[message.lb_policy].name
    if name not in Policy.__members__:
        scope.skip("lb_policy", "endpoints are chosen at random")
        return _Source(Policy.RANDOM, None, message.common_lb_config, scope, common)
    policy = Policy(name)
    field = _LEGACY.get(policy)
    own = getattr(message, field) if field and message.HasField(field) else None
    inner = scope.at(field) if field else scope
    divided = None
    if message.HasField("lb_subset_config"):
        divided = subsets(message.lb_subset_config, scope.at("lb_subset_config"))
        if divided is not None and policy is Policy.CLUSTER_PROVIDED:
            raise scope.reject(
                f"cluster: LB policy {name} cannot be combined with lb_subset_config"
            )
    return _Source(policy, own, message.common_lb_config, inner, common, divided)


def _extension(message: Any, scope: Scope) -> _Source:  # noqa: ANN401 - protobuf
    """Return the first policy that is known here."""
    for at, one in enumerate(message.policies):
        inner = scope.at("policies", at).at("typed_extension_config").at("typed_config")
        config = unpack(one.typed_extension_config.typed_config)
        kind = name_of(config).rpartition(".")[2]
        if kind == "Subset":
            child = _extension(config.subset_lb_policy, inner.at("subset_lb_policy"))
            return replace(child, subsets=subsets(config, inner))
        policy = _EXTENSIONS.get(kind)
        if policy is not None:
            return _Source(policy, config, config, inner, inner)
        inner.skip("", "the next policy of the list is taken, or any endpoint")
    return _Source(Policy.RANDOM, None, None, scope, scope)


def _own(source: _Source) -> dict[str, Any]:
    config, scope = source.config, source.scope
    out: dict[str, Any] = {}
    if source.policy is Policy.LEAST_REQUEST:
        if config.HasField("choice_count"):
            out["choice_count"] = config.choice_count.value
        if config.HasField("active_request_bias"):
            out["active_request_bias"] = config.active_request_bias.default_value
        out["full_scan"] = getattr(config, "selection_method", 0) == 1
    if source.policy in (Policy.ROUND_ROBIN, Policy.LEAST_REQUEST):
        out["slow_start"] = _slow_start(config, scope)
    return out


def _slow_start(config: Any, scope: Scope) -> SlowStart | None:  # noqa: ANN401 - protobuf
    if not config.HasField("slow_start_config"):
        return None
    given = config.slow_start_config
    window_ns = nanoseconds(given.slow_start_window)
    if window_ns <= 0:
        return None
    aggression = given.aggression.default_value if given.HasField("aggression") else 1.0
    if aggression <= 0:
        raise scope.at("slow_start_config").reject(
            "Invalid runtime value provided for aggression parameter, "
            "aggression cannot be less than 0.0"
        )
    least = given.min_weight_percent.value if given.HasField("min_weight_percent") else 10.0
    return SlowStart(window_ns=window_ns, aggression=aggression, min_weight_percent=least)


def _hashing(source: _Source) -> Hashing:
    out: dict[str, Any] = {}
    config, common = source.config, source.common
    if config is not None:
        for name in ("minimum_ring_size", "maximum_ring_size", "table_size"):
            if name in config.DESCRIPTOR.fields_by_name and config.HasField(name):
                out[name] = int(getattr(config, name).value)
        hash_function = config.DESCRIPTOR.fields_by_name.get("hash_function")
        if hash_function is not None:
            kinds = hash_function.enum_type.values_by_number
            out["murmur"] = kinds[config.hash_function].name == "MURMUR_HASH_2"
    holder = common
    if common is None or not common.HasField("consistent_hashing_lb_config"):
        # The extension's own, older fields count where the newer message is absent.
        holder = config
    else:
        holder = common.consistent_hashing_lb_config
        if getattr(holder, "hash_policy", ()):
            inner = source.common_field.at("consistent_hashing_lb_config")
            inner.skip("hash_policy", "the route's hash policies count")
    if holder is not None and "use_hostname_for_hashing" in holder.DESCRIPTOR.fields_by_name:
        out["use_hostname"] = bool(holder.use_hostname_for_hashing)
        if holder.HasField("hash_balance_factor"):
            out["balance_factor"] = int(holder.hash_balance_factor.value)
    return _checked(Hashing(**out), source)


def _checked(hashing: Hashing, source: _Source) -> Hashing:
    """Return the settings, unless Envoy would refuse them."""
    least, most = hashing.minimum_ring_size, hashing.maximum_ring_size
    if source.policy is Policy.RING_HASH:
        if least > most:
            raise source.scope.reject(
                f"ring hash: minimum_ring_size ({least}) > maximum_ring_size ({most})"
            )
    elif not _is_prime(hashing.table_size):
        raise source.scope.reject("The table size of maglev must be prime number")
    return hashing


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, isqrt(number) + 1))


def _by_locality(source: _Source) -> dict[str, Any]:
    """Return what localities have to do with the choice."""
    holder, field = source.common, source.common_field
    if holder is None:
        return {}
    if "locality_lb_config" in holder.DESCRIPTOR.fields_by_name:
        holder, field = holder.locality_lb_config, field.at("locality_lb_config")
    fields = holder.DESCRIPTOR.fields_by_name
    out: dict[str, Any] = {
        "locality_weighted": "locality_weighted_lb_config" in fields
        and holder.HasField("locality_weighted_lb_config")
    }
    if "zone_aware_lb_config" in fields and holder.HasField("zone_aware_lb_config"):
        out["zone_aware"] = _zone_aware(holder.zone_aware_lb_config)
    return out


def _zone_aware(given: Any) -> ZoneAware:  # noqa: ANN401 - protobuf
    out: dict[str, Any] = {"fail_traffic_on_panic": given.fail_traffic_on_panic}
    if given.HasField("routing_enabled"):
        out["routing_enabled"] = int(min(100, round(given.routing_enabled.value)))
    if given.HasField("min_cluster_size"):
        out["min_cluster_size"] = int(given.min_cluster_size.value)
    fields = given.DESCRIPTOR.fields_by_name
    if "force_local_zone" in fields and given.HasField("force_local_zone"):
        forced = given.force_local_zone
        out["force_local_min"] = int(forced.min_size.value) if forced.HasField("min_size") else 1
    elif getattr(given, "force_locality_direct_routing", False):
        out["force_local_min"] = 1
    if "locality_basis" in fields:
        kinds = fields["locality_basis"].enum_type.values_by_number
        out["by_weight"] = kinds[given.locality_basis].name == "HEALTHY_HOSTS_WEIGHT"
    return ZoneAware(**out)
