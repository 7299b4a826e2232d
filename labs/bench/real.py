"""How long real Envoys take: to start, and to take a change. Seconds of the clock, not of a CPU."""

from __future__ import annotations

from time import perf_counter

from labs.bench.meshes import flat
from sandbox.box import Sandbox
from sandbox.plan import proxies, served

_MANY, _PUSHED = 60, 30
_PUSHES = 5
_MILLISECOND = 1e-3


def start(scale: float) -> float:
    """Return the seconds until sixty sidecars and a gateway are ready, manifests included."""
    begun = perf_counter()
    with Sandbox.start(flat(max(2, round(_MANY * scale))), start_timeout_s=60.0):
        return perf_counter() - begun


def push(scale: float) -> float:
    """Return the milliseconds until thirty sidecars have taken a new route, the longest of five."""
    services = max(2, round(_PUSHED * scale))
    spent = []
    with Sandbox.start(flat(services), start_timeout_s=60.0) as box:
        plan = box.plan
        for number in range(_PUSHES):
            scenario = flat(services, f"/r{number}")
            changed = proxies(scenario, plan.addressing, plan.authority, plan.proxies)
            resources = {ref: served(each) for ref, each in changed.items()}
            begun = perf_counter()
            box.running.push(resources, 10.0)
            spent.append(perf_counter() - begun)
    return max(spent) / _MILLISECOND
