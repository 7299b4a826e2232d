"""DestinationRules.

Follows   istio pkg/config/validation/validation.go (ValidateDestinationRule)
"""

from __future__ import annotations

from simulator.config.istio import DestinationRule
from simulator.config.objects import Object
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, fault
from simulator.istiod.validation.reach import export_to, selector
from simulator.istiod.validation.traffic_policy import traffic_policy


def destination_rule(source: Object) -> Faults:
    """Check a DestinationRule."""
    spec: DestinationRule = source.spec
    yield from fault("spec.host", syntax.wildcard_domain(spec.host))
    yield from traffic_policy(spec.traffic_policy, "spec.trafficPolicy")
    names: set[str] = set()
    for at, each in enumerate(spec.subsets):
        place = f"spec.subsets[{at}]"
        yield from fault(f"{place}.name", syntax.label(each.name))
        if each.name in names:
            yield Fault(f"{place}.name", f"there is a subset {each.name} already")
        names.add(each.name)
        yield from fault(f"{place}.labels", syntax.labels(each.labels))
        yield from traffic_policy(each.traffic_policy, f"{place}.trafficPolicy")
    selects = spec.workload_selector is not None
    yield from export_to(spec.export_to, source.namespace, selects=selects)
    yield from selector(spec.workload_selector, "spec.workloadSelector")
