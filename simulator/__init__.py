"""What a mesh does: Istio and Kubernetes YAML in, Envoy's decisions out.

`Scenario` (a mesh, its load and what happens to it) and `Run` (what came of it)
are the two names to know; both are imported on first use, so that
`import simulator` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.scenario import Run, Scenario

__all__ = ["Run", "Scenario"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in __all__:
        from simulator import scenario

        return getattr(scenario, name)
    message = f"module 'simulator' has no attribute {name!r}"
    raise AttributeError(message)
