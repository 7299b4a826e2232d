"""How the hosts of a cluster are split into subsets by their metadata.

Models    envoy.config.cluster.v3.Cluster.LbSubsetConfig,
          envoy.extensions.load_balancing_policies.subset.v3.Subset
Follows   envoy/source/extensions/load_balancing_policies/subset/subset_lb_config.cc
Leaves    allow_redundant_keys (docs/fidelity.md#load-balancing)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Fallback(StrEnum):
    """Where a request goes whose subset does not exist."""

    NOT_DEFINED = "NOT_DEFINED"
    """What the cluster says counts."""
    NO_FALLBACK = "NO_FALLBACK"
    ANY_ENDPOINT = "ANY_ENDPOINT"
    DEFAULT_SUBSET = "DEFAULT_SUBSET"
    KEYS_SUBSET = "KEYS_SUBSET"
    """It is looked for again, with fewer keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Keys by whose values hosts are split."""

    keys: tuple[str, ...]
    """In alphabetical order."""
    fallback: Fallback = Fallback.NOT_DEFINED
    fallback_keys: tuple[str, ...] = ()
    single_host: bool = False
    """Whether a subset has one host, its first, whatever its health."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetConfig:
    """All that a cluster says of its subsets."""

    selectors: tuple[Selector, ...]
    fallback: Fallback = Fallback.NO_FALLBACK
    default: Mapping[str, Any] = field(default_factory=dict)
    """The metadata of the hosts of the default subset."""
    locality_weight_aware: bool = False
    scale_locality_weight: bool = False
    panic_mode_any: bool = False
    list_as_any: bool = False
    """Whether a host whose value is a list belongs to the subset of each of its items."""
    fallback_list: bool = False
    """Whether a request's `fallback_list` names what is tried in turn."""
