"""What a mesh does: Istio and Kubernetes YAML in, Envoy's decisions out.

`Scenario` (a mesh, its load and what happens to it), `Run` (what came of it) and
`Request` (one to probe it with) are the names to know; they are imported on first
use, so that `import simulator` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.scenario import Request, Run, Scenario

__all__ = ["Request", "Run", "Scenario"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in __all__:
        from simulator import scenario

        return getattr(scenario, name)
    message = f"module 'simulator' has no attribute {name!r}"
    raise AttributeError(message)
