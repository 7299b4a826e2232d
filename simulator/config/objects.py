"""What manifests say: typed objects, each knowing where it was written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from simulator.config.nodes import Positions
from simulator.diagnostics import Diagnostic, Level, Position


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Object:
    """One Kubernetes or Istio object."""

    kind: str
    api_version: str
    name: str
    namespace: str
    """`default` if none was given, empty for what belongs to no namespace."""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    spec: Any
    """The model of its kind in `simulator.config.istio` or `.kubernetes`."""
    created: str = ""
    """Its creation timestamp, where the manifest has one."""
    index: int
    """Its place among all objects, from 0."""
    positions: Positions
    """By field path, such as `spec.http[0].route[1].weight`."""

    @property
    def position(self) -> Position:
        """Return where the object begins."""
        return self.positions.nearest("")

    @property
    def type(self) -> str:
        """Return the kind; `KubernetesGateway` for the one that is not Istio's."""
        foreign = self.kind == "Gateway" and "networking.istio.io" not in self.api_version
        return "KubernetesGateway" if foreign else self.kind

    @property
    def ref(self) -> str:
        """Return `Kind NAME.NAMESPACE`."""
        return f"{self.kind} {self.name}.{self.namespace}" if self.namespace else (
            f"{self.kind} {self.name}"
        )  # fmt: skip

    @property
    def status(self) -> dict[str, Any]:
        """Return what a cluster said of the object, if the manifest has it."""
        found = self.positions.root.plain()
        status = found.get("status") if isinstance(found, dict) else None
        return status if isinstance(status, dict) else {}

    def at(self, path: str) -> Position:
        """Return the position of a field, or of its nearest ancestor that was written."""
        return self.positions.nearest(path)


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """All objects of some files, in their order, and what is wrong with them."""

    objects: tuple[Object, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    def of(self, type_: str) -> tuple[Object, ...]:
        """Return the objects of one type."""
        return self._by_type.get(type_, ())

    def find(self, other: Object) -> Object | None:
        """Return the object of another's type, name and namespace."""
        wanted = other.name, other.namespace
        same = (each for each in self.of(other.type) if (each.name, each.namespace) == wanted)
        return next(same, None)

    @property
    def ok(self) -> bool:
        """Say whether there is no error."""
        return all(each.level is not Level.ERROR for each in self.diagnostics)

    @cached_property
    def _by_type(self) -> dict[str, tuple[Object, ...]]:
        found: dict[str, list[Object]] = defaultdict(list)
        for each in self.objects:
            found[each.type].append(each)
        return {name: tuple(objects) for name, objects in found.items()}
