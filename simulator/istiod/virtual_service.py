"""Read VirtualServices as istiod does: full host names, delegates folded in.

Follows   istio pilot/pkg/model/virtualservice.go (mergeVirtualServicesIfNeeded, mergeHTTPRoute)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.config.istio import HTTPRoute
from simulator.config.objects import Object
from simulator.istiod import names
from simulator.istiod.delegate import fold

SEMANTICS = "internal.istio.io/route-semantics"
"""The annotation of VirtualServices that stand for something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRule:
    """One entry of `spec.http`, with the place that it was written at."""

    spec: HTTPRoute
    source: Object
    """The VirtualService, or the delegate, whose actions these are."""
    at: str
    """Such as `spec.http[0]`."""
    match_source: Object
    match_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualService:
    """A VirtualService with its hosts resolved."""

    source: Object
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    """`mesh` or NAMESPACE/NAME."""
    rules: tuple[HttpRule, ...]
    exported_to: frozenset[str]
    by_element: bool = False
    """Whether a prefix stands for whole elements of a path."""
    gateway_semantics: bool = False
    """It stands for routes of Gateway API, whose rules differ in some ways."""

    @property
    def name(self) -> str:
        """Return the resource's own name."""
        return self.source.name

    @property
    def namespace(self) -> str:
        """Return the resource's namespace."""
        return self.source.namespace

    def visible_from(self, namespace: str) -> bool:
        """Say whether proxies of a namespace may see it."""
        return visible(self.exported_to, self.namespace, namespace)


def visible(exported_to: frozenset[str], home: str, namespace: str) -> bool:
    """Say whether a resource of the namespace `home` is exported to another."""
    if not exported_to or "*" in exported_to:
        return True
    return namespace in exported_to or ("." in exported_to and home == namespace)


def read(
    objects: tuple[Object, ...], exported_to: frozenset[str] = frozenset()
) -> tuple[VirtualService, ...]:
    """Return every VirtualService that has hosts of its own, oldest first.

    `exported_to` holds for those that do not say whom they are exported to.
    """
    delegates = {(each.namespace, each.name): each for each in objects if not each.spec.hosts}
    return tuple(
        _read(each, delegates, exported_to) for each in sorted(objects, key=age) if each.spec.hosts
    )


def age(source: Object) -> tuple[str, str, str]:
    """Sort key: the oldest first, then by name and namespace."""
    return source.created or "", source.name, source.namespace


def _read(
    source: Object, delegates: Mapping[tuple[str, str], Object], exported_to: frozenset[str]
) -> VirtualService:
    spec = source.spec
    rules: list[HttpRule] = []
    for index, rule in enumerate(spec.http or ()):
        at = f"spec.http[{index}]"
        if rule.delegate is None:
            rules.append(
                HttpRule(spec=rule, source=source, at=at, match_source=source, match_at=at)
            )
            continue
        key = (rule.delegate.namespace or source.namespace, rule.delegate.name or "")
        target = delegates.get(key)
        if target is None:
            continue
        for inner, spot in enumerate(target.spec.http or ()):
            folded = fold(rule, spot)
            if folded is not None:
                place = f"spec.http[{inner}]"
                rules.append(
                    HttpRule(
                        spec=folded,
                        source=target,
                        at=place,
                        match_source=target if spot.match else source,
                        match_at=place if spot.match else at,
                    )
                )
    return VirtualService(
        source=source,
        hosts=tuple(names.resolve(each, source.namespace) for each in spec.hosts),
        gateways=tuple(gateway_name(each, source.namespace) for each in spec.gateways or ("mesh",)),
        rules=tuple(rules),
        exported_to=frozenset(spec.export_to) or exported_to,
        gateway_semantics=source.annotations.get(SEMANTICS) == "gateway",
        by_element=SEMANTICS in source.annotations,
    )


def gateway_name(reference: str, namespace: str) -> str:
    """Return the NAMESPACE/NAME (or `mesh`) that a resource of a namespace means."""
    if reference == names.MESH_GATEWAY or "/" in reference:
        home, _, name = reference.rpartition("/")
        return f"{namespace}/{name}" if home == "." else reference
    if "." in reference:
        # The older form NAME.NAMESPACE[.svc...].
        name, _, rest = reference.partition(".")
        return f"{rest.partition('.')[0]}/{name}"
    return f"{namespace}/{reference}"
