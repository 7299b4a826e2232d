"""Compile how the hosts of a cluster are split into subsets.

Models    Cluster.LbSubsetConfig, envoy.extensions.load_balancing_policies.subset.v3.Subset
Follows   envoy/source/extensions/load_balancing_policies/subset/subset_lb_config.cc
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.actions import plain
from simulator.envoy.rejected import Scope
from simulator.envoy.subset_config import Fallback, Selector, SubsetConfig


def subsets(message: Any, scope: Scope) -> SubsetConfig | None:  # noqa: ANN401 - protobuf
    """Compile subsets; without a selector there are none."""
    if getattr(message, "allow_redundant_keys", False):
        scope.skip("allow_redundant_keys", "keys that no selector has find no subset")
    if not message.subset_selectors:
        return None
    selectors = tuple(
        _selector(one, scope.at("subset_selectors", at))
        for at, one in enumerate(message.subset_selectors)
    )
    return SubsetConfig(
        selectors=selectors,
        fallback=Fallback(_name(message, "fallback_policy")),
        default=plain(message.default_subset),
        locality_weight_aware=message.locality_weight_aware,
        scale_locality_weight=message.scale_locality_weight,
        panic_mode_any=message.panic_mode_any,
        list_as_any=message.list_as_any,
        fallback_list=_name(message, "metadata_fallback_policy") == "FALLBACK_LIST",
    )


def _selector(one: Any, scope: Scope) -> Selector:  # noqa: ANN401 - protobuf
    keys, fewer = set(one.keys), set(one.fallback_keys_subset)
    fallback = Fallback(_name(one, "fallback_policy"))
    wrong = None
    if fallback is not Fallback.KEYS_SUBSET:
        if fewer:
            wrong = "can be set only for KEYS_SUBSET fallback_policy"
    elif not fewer:
        wrong = "cannot be empty"
    elif not fewer <= keys:
        wrong = "must be a subset of selector keys"
    elif fewer == keys:
        wrong = "cannot be equal to keys"
    if wrong is not None:
        raise scope.reject(f"fallback_keys_subset {wrong}")
    return Selector(
        keys=tuple(sorted(keys)),
        fallback=fallback,
        fallback_keys=tuple(sorted(fewer)),
        single_host=one.single_host_per_subset,
    )


def _name(message: Any, field: str) -> str:  # noqa: ANN401 - protobuf
    kinds = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(kinds[getattr(message, field)].name)
