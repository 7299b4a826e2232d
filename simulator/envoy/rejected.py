"""What Envoy refuses, and what the simulator reads over: the two ways a field fails.

`Rejected` is Envoy's NACK. A field that is accepted but not modelled becomes a
`not-simulated` diagnostic naming it: a `Scope` walks along with the compiler, knows
the path, and collects them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from simulator.diagnostics import Diagnostic, diagnose
from simulator.observe.explain import FieldRef


@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Rejected(Exception):  # noqa: N818 - Envoy's word
    """A configuration that Envoy would refuse (NACK), with its reasons."""

    def __init__(self, *reasons: str, field: FieldRef | None = None) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.field = field


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in which resource the compiler stands, and what it found on the way."""

    kind: str
    """`listeners`, `routes`, `clusters` or `endpoints`."""
    resource: str
    path: str = ""
    found: list[Diagnostic] = field(default_factory=list)
    """Shared by all scopes of one resource."""

    def at(self, name: str, index: int | str | None = None) -> Scope:
        """Return the scope of a field, or of an element of a repeated one."""
        step = name if index is None else f"{name}[{index}]"
        return replace(self, path=f"{self.path}.{step}" if self.path else step)

    @property
    def ref(self) -> FieldRef:
        """Return the field this scope stands at."""
        return FieldRef(self.kind, self.resource, self.path)

    def reject(self, reason: str) -> Rejected:
        """Return Envoy's refusal, to be raised."""
        return Rejected(reason, field=self.ref)

    def skip(self, name: str, what: str) -> None:
        """Note that the field `name` (empty: this one) is accepted but not simulated."""
        path = self.at(name).path if name else self.path
        self.found.append(
            diagnose(
                "not-simulated", resource=f"{self.kind}/{self.resource}", field=path, what=what
            )
        )

    def only(self, message: Any, modelled: str) -> None:  # noqa: ANN401 - protobuf
        """Note every field that is set and not among the `modelled` names."""
        names = _words(modelled)
        for descriptor, _ in message.ListFields():
            if descriptor.name not in names:
                self.skip(descriptor.name, "the simulator does not model this field")
