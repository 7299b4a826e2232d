"""WasmPlugins and TrafficExtensions; their schemas say most.

Follows   istio pkg/config/validation/validation.go (ValidateWasmPlugin)
"""

from __future__ import annotations

from simulator.config.objects import Object
from simulator.istiod.validation.fault import Faults
from simulator.istiod.validation.reach import target


def extension(source: Object) -> Faults:
    """Check what a WasmPlugin or a TrafficExtension is for."""
    yield from target(source.spec)
