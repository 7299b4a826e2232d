"""EnvoyFilters: what a learner changes in the resources that istiod has made.

    found = patches(mesh, pod)             # those that hold for a proxy, in their order
    apply(resources, found)                # the resources with them, and what was wrong

A resource that no patch touches stays the very same message.

Follows   istio pilot/pkg/networking/core/envoyfilter
Leaves    BOOTSTRAP, EXTENSION_CONFIG, waypoints (docs/fidelity.md#envoy-filter)
"""

from __future__ import annotations

from simulator.istiod.patches.apply import apply
from simulator.istiod.patches.patch import Context, Placed, patches

__all__ = ["Context", "Placed", "apply", "patches"]
