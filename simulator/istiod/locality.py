"""Rank a service's endpoints by how near they are to the proxy that calls them.

Models    envoy.config.endpoint.v3.LocalityLbEndpoints (priority, load_balancing_weight)
Follows   istio pilot/pkg/networking/core/loadbalancer/loadbalancer.go
Leaves    zoneAwareLbSetting (docs/fidelity.md#zone-aware)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from simulator.config.istio import LocalityDistribute, LocalityFailover, LocalityLbSetting
from simulator.istiod.registry import Endpoint, Locality, Pod, Service

REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"
NETWORK = "topology.istio.io/network"
HOSTNAME = "kubernetes.io/hostname"
_NEAREST_FIRST = {
    "PreferClose": (NETWORK, REGION, ZONE),
    "PreferSameZone": (NETWORK, REGION, ZONE),
    "PreferSameNode": (NETWORK, REGION, ZONE, SUBZONE, HOSTNAME),
}
_ELSEWHERE, _NOT_CHOSEN = 3, 4
"""Another region; one that no failover rule names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What holds for a proxy's calls to one cluster."""

    setting: LocalityLbSetting
    fails_over: bool
    """Whether endpoints are ranked at all."""

    @property
    def weighted(self) -> bool:
        """Say whether localities have weights of their own."""
        setting = self.setting
        ranked = setting.failover or setting.failover_priority
        return bool(setting.distribute or (self.fails_over and ranked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Endpoints of one locality and priority."""

    locality: Locality
    endpoints: tuple[Endpoint, ...]
    priority: int = 0
    weight: int = 0


def effective(
    mesh: LocalityLbSetting | None, rule: LocalityLbSetting | None, service: Service
) -> tuple[LocalityLbSetting | None, bool]:
    """Return the setting in force, and whether it holds without outlier detection.

    A DestinationRule's comes before the service's wish, and that before the mesh's.
    """
    if rule is not None:
        return (None if rule.enabled is False else rule), False
    order = _NEAREST_FIRST.get(service.traffic_distribution)
    if order is not None:
        return LocalityLbSetting(failover_priority=order, enabled=True), True
    if mesh is None:
        return LocalityLbSetting(), False
    return (None if mesh.enabled is False else mesh), False


def preference(
    mesh: LocalityLbSetting | None,
    rule: LocalityLbSetting | None,
    service: Service,
    *,
    outlier_detection: bool,
) -> Preference | None:
    """Return what holds for a cluster; without outlier detection nothing ever fails over."""
    setting, forced = effective(mesh, rule, service)
    if setting is None:
        return None
    return Preference(setting=setting, fails_over=forced or outlier_detection)


def grouped(endpoints: Iterable[Endpoint], wanted: Preference | None, pod: Pod) -> list[Group]:
    """Return the endpoints by locality and priority, in the order of localities."""
    by_locality: dict[Locality, list[Endpoint]] = {}
    for each in endpoints:
        by_locality.setdefault(each.locality, []).append(each)
    groups = [
        Group(locality=place, endpoints=tuple(by_locality[place]), weight=_weight(found))
        for place, found in sorted(by_locality.items())
    ]
    if wanted is None:
        return groups
    setting = wanted.setting
    if setting.distribute:
        return _distributed(groups, setting.distribute, pod.locality)
    if not wanted.fails_over:
        return groups
    if setting.failover_priority:
        groups = _by_labels(groups, setting.failover_priority, pod)
        return _by_distance(groups, setting.failover, pod) if setting.failover else groups
    return _by_distance(groups, setting.failover, pod)


def _weight(endpoints: Sequence[Endpoint]) -> int:
    return sum(each.weight for each in endpoints)


def matches(locality: Locality, rule: str) -> bool:
    """Say whether a locality is one of those that `region/zone/subzone` (`*`: any) means."""
    region, zone, subzone = (*rule.split("/"), "", "")[:3]
    return (
        region in {"*", locality.region}
        and zone in {"", "*", locality.zone}
        and subzone in {"", "*", locality.subzone}
    )


def distance(here: Locality, there: Locality) -> int:
    """Return 0 for the same subzone, 1 for the zone, 2 for the region, 3 for another."""
    if here.region != there.region:
        return _ELSEWHERE
    if here.zone != there.zone:
        return 2
    return 0 if here.subzone == there.subzone else 1


def _by_distance(groups: list[Group], rules: Sequence[LocalityFailover], pod: Pod) -> list[Group]:
    chosen = next((each.to for each in rules if each.from_ == pod.locality.region), None)
    ranked = []
    for each in groups:
        rank = distance(pod.locality, each.locality)
        if rank == _ELSEWHERE and chosen is not None and each.locality.region != chosen:
            rank = _NOT_CHOSEN
        # Ranks by label count first.
        ranked.append(replace(each, priority=each.priority * (_NOT_CHOSEN + 1) + rank))
    return _closed_up(ranked)


def _by_labels(groups: list[Group], order: Sequence[str], pod: Pod) -> list[Group]:
    ranked: list[Group] = []
    for each in groups:
        by_rank: dict[int, list[Endpoint]] = {}
        for endpoint in each.endpoints:
            by_rank.setdefault(_rank(endpoint, order, pod), []).append(endpoint)
        ranked += [
            replace(each, priority=rank, endpoints=tuple(found), weight=_weight(found))
            for rank, found in sorted(by_rank.items())
        ]
    return _closed_up(ranked)


def _rank(endpoint: Endpoint, order: Sequence[str], pod: Pod) -> int:
    """Return how early an endpoint's labels differ from the proxy's: 0 for not at all."""
    here = _labels(pod.labels, pod.locality)
    there = _labels(endpoint.labels, endpoint.locality)
    penalty = 0
    for at, written in enumerate(order):
        label, given, value = written.partition("=")
        if there.get(label, "") != (value if given else here.get(label, "")):
            if at == 0 and label == NETWORK:
                penalty = len(order)
                continue
            return penalty + len(order) - at
    return penalty


def _labels(labels: dict[str, str], locality: Locality) -> dict[str, str]:
    places = {REGION: locality.region, ZONE: locality.zone, SUBZONE: locality.subzone}
    return {**labels, **{name: value for name, value in places.items() if value}}


def _closed_up(groups: list[Group]) -> list[Group]:
    """Return the groups with priorities from 0 on, none left out."""
    ranks = sorted({each.priority for each in groups})
    return [replace(each, priority=ranks.index(each.priority)) for each in groups]


def _distributed(
    groups: list[Group], rules: Sequence[LocalityDistribute], here: Locality
) -> list[Group]:
    rule = next((each for each in rules if matches(here, each.from_)), None)
    if rule is None:
        return groups
    weights: dict[int, int] = {}
    for pattern, weight in sorted(rule.to.items()):
        found = [
            at
            for at, each in enumerate(groups)
            if at not in weights and matches(each.locality, pattern)
        ]
        total = sum(groups[at].weight for at in found)
        for at in found:
            weights[at] = math.ceil(groups[at].weight * weight / total)
    # Localities that no rule names get nothing.
    return [replace(groups[at], weight=weights[at]) for at in sorted(weights)]
