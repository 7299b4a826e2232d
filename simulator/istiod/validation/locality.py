"""Locality load balancing.

Follows   istio pkg/config/validation/agent/validation.go (ValidateLocalityLbSetting)
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.config.istio import (
    LocalityFailover,
    LocalityLbSetting,
    OutlierDetection,
    ZoneAwareLbSetting,
)
from simulator.istiod.validation.fault import Fault, Faults, fault

_TOPOLOGY = frozenset(
    {
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.istio.io/subzone",
    }
)
_WHOLE = 100


def locality(
    setting: LocalityLbSetting | None, outlier: OutlierDetection | None, at: str
) -> Faults:
    """Check how locality weighs."""
    if setting is None:
        return
    if setting.distribute and setting.failover:
        yield Fault(f"{at}.failover", "it does not go with `distribute`")
        return
    for index, each in enumerate(setting.distribute):
        place = f"{at}.distribute[{index}].to"
        if any(not 0 < weight <= _WHOLE for weight in each.to.values()):
            yield Fault(place, "a weight lies between 1 and 100")
        elif sum(each.to.values()) != _WHOLE:
            yield Fault(place, f"the weights add up to {sum(each.to.values())}, not to 100")
        yield from fault(place, localities(each.to))
    sources = localities(each.from_ for each in setting.distribute)
    yield from fault(f"{at}.distribute", sources)
    yield from _failover(setting, outlier, at)


def zone_aware(
    setting: ZoneAwareLbSetting | None, outlier: OutlierDetection | None, at: str
) -> Faults:
    """Check Envoy's own zone-aware routing."""
    if setting is not None:
        yield from _failover(setting, outlier, at)


def _failover(
    setting: LocalityLbSetting | ZoneAwareLbSetting, outlier: OutlierDetection | None, at: str
) -> Faults:
    if setting.failover:
        for index, label in enumerate(setting.failover_priority):
            if label.partition("=")[0] in _TOPOLOGY:
                yield Fault(f"{at}.failoverPriority[{index}]", f"{label} excludes `failover`")
    if (setting.failover or setting.failover_priority) and outlier is None:
        problem = "without outlierDetection no endpoint ever fails over"
        yield Fault(at, problem, warning=True)
    for index, each in enumerate(setting.failover):
        yield from fault(f"{at}.failover[{index}]", _regions(each))


def _regions(failover: LocalityFailover) -> str | None:
    both = failover.from_ + failover.to
    if failover.from_ == failover.to:
        return "a region takes over from another one"
    if "/" in both:
        return "regions alone fail over, not zones"
    return "a region has no wildcard" if "*" in both else None


def localities(written: Iterable[str]) -> str | None:
    """Return what is wrong with a list of REGION[/ZONE[/SUBZONE]], `*` at the end for all."""
    seen: list[list[str]] = []
    for each in written:
        if "*" in each and (each.count("*") > 1 or not each.endswith("*")):
            return f"'{each}' has a wildcard before its end"
        parts = each.split("/", 2)
        if not all(parts):
            return f"'{each}' has an empty part"
        own = parts[:-1] if parts[-1] == "*" else parts
        for other in seen:
            shorter = min(len(own), len(other))
            if own[:shorter] == other[:shorter] and (len(other) <= len(own) or own != parts):
                return f"'{each}' overlaps with one before it"
        seen.append(own)
    return None
