"""WasmPlugins and TrafficExtensions.

Follows   istio pkg/config/validation/validation.go (ValidateWasmPlugin)
"""

from __future__ import annotations

from urllib.parse import urlsplit

from simulator.config.istio import TrafficExtension, WasmPlugin
from simulator.config.objects import Object
from simulator.istiod.validation.common import target
from simulator.istiod.validation.fault import Fault, Faults


def wasm_plugin(source: Object) -> Faults:
    """Check a WasmPlugin; its schema says most."""
    spec: WasmPlugin = source.spec
    yield from target(spec)
    if not _is_url(spec.url):
        yield Fault("spec.url", "it is no URL")


def traffic_extension(source: Object) -> Faults:
    """Check a TrafficExtension; its schema says most."""
    spec: TrafficExtension = source.spec
    yield from target(spec)
    if spec.wasm is not None and not _is_url(spec.wasm.url):
        yield Fault("spec.wasm.url", "it is no URL")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text if "://" in text else f"oci://{text}")
        return " " not in text and (bool(parts.netloc or parts.path)) and parts.port != -1
    except ValueError:
        return False
