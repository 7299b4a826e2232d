"""Find the DestinationRule that holds for a proxy's traffic to a service.

Three levels are searched and never merged: the proxy's own namespace, the service's,
the root namespace. The first that has any rule for the host decides.

Follows   istio pilot/pkg/model/push_context.go (destinationRule), destination_rule.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from simulator.config.istio import Subset, TrafficPolicy
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.service import Service
from simulator.istiod.services import selects
from simulator.istiod.virtual_service import age, visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A subset and where it was written."""

    subset: Subset
    source: Object
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """All that one namespace's DestinationRules say of one host."""

    host: str
    source: Object
    """The oldest, whose name the clusters bear."""
    policy: TrafficPolicy | None
    policy_source: Object
    subsets: tuple[Placed, ...]
    exported_to: frozenset[str]
    selector: tuple[tuple[str, str], ...] = ()

    @property
    def namespace(self) -> str:
        """Return the namespace of the rule."""
        return self.source.namespace

    @property
    def private(self) -> bool:
        """Say whether it is kept in its own namespace."""
        return bool(self.selector) or self.exported_to in ({"."}, {self.namespace})

    @property
    def at_home(self) -> bool:
        """Say whether it is meant for its own namespace, among others perhaps."""
        return not self.exported_to or bool(self.exported_to & {"*", ".", self.namespace})

    def subset(self, name: str) -> Placed | None:
        """Return the subset of that name."""
        return next((each for each in self.subsets if each.subset.name == name), None)


def consolidate(
    objects: Iterable[Object], exported_to: frozenset[str] = frozenset()
) -> tuple[Rule, ...]:
    """Return the rules, those for the same host and audience in a namespace merged.

    `exported_to` holds for those that do not say whom they are exported to.
    """
    merged: dict[tuple[object, ...], Rule] = {}
    for source in sorted(objects, key=age):
        rule = _read(source, exported_to)
        key = (rule.namespace, rule.host, rule.exported_to, rule.selector)
        merged[key] = _merge(merged[key], rule) if key in merged else rule
    return tuple(merged.values())


def _read(source: Object, exported_to: frozenset[str]) -> Rule:
    spec = source.spec
    selector = spec.workload_selector
    return Rule(
        host=names.resolve(spec.host, source.namespace),
        source=source,
        policy=spec.traffic_policy,
        policy_source=source,
        subsets=tuple(
            Placed(subset=each, source=source, at=f"spec.subsets[{at}]")
            for at, each in enumerate(spec.subsets or ())
        ),
        exported_to=frozenset(spec.export_to) or exported_to,
        selector=tuple(sorted((selector.match_labels or {}).items())) if selector else (),
    )


def _merge(older: Rule, newer: Rule) -> Rule:
    known = {each.subset.name for each in older.subsets}
    fresh = tuple(each for each in newer.subsets if each.subset.name not in known)
    merged = replace(older, subsets=older.subsets + fresh)
    if older.policy is None and newer.policy is not None:
        return replace(merged, policy=newer.policy, policy_source=newer.source)
    return merged


class Rulebook:
    """All rules of a mesh, by namespace and host."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[tuple[str, str], list[Rule]] = {}
        self._wild: dict[str, list[Rule]] = {}
        for rule in rules:
            if names.is_wildcard(rule.host):
                self._wild.setdefault(rule.namespace, []).append(rule)
            else:
                self._exact.setdefault((rule.namespace, rule.host), []).append(rule)

    def find(self, service: Service, namespace: str, labels: dict[str, str]) -> Rule | None:
        """Return the rule for a proxy's traffic to a service; its labels tell the proxy."""
        host = service.hostname

        def own(rule: Rule) -> bool:
            # A public rule of the root namespace would else hide the rules of every service.
            return rule.at_home and (namespace != names.ROOT_NAMESPACE or rule.private)

        def exported(rule: Rule) -> bool:
            return not rule.private and visible(rule.exported_to, rule.namespace, namespace)

        levels = (
            (namespace, own),
            (service.namespace, exported),
            (names.ROOT_NAMESPACE, exported),
        )
        for home, counts in levels:
            chosen = _chosen(self._most_specific(home, host, counts), labels)
            if chosen is not None:
                return chosen
        return None

    def _most_specific(self, home: str, host: str, counts: Callable[[Rule], bool]) -> list[Rule]:
        exact = [each for each in self._exact.get((home, host), ()) if counts(each)]
        if exact:
            return exact
        wild = [each for each in self._wild.get(home, ()) if counts(each)]
        best = names.most_specific(host, [each.host for each in wild])
        return [each for each in wild if each.host == best]


def _chosen(candidates: list[Rule], labels: dict[str, str]) -> Rule | None:
    for each in candidates:
        if each.selector and selects(dict(each.selector), labels):
            return each
    return next((each for each in candidates if not each.selector), None)
