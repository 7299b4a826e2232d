"""Istio's annotations: unknown, misplaced, deprecated, alpha, or with a value that is none.

Follows   istio pkg/config/analysis/analyzers/{annotations/annotations,maturity/maturity}.go,
          pkg/kube/inject/validate.go
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from simulator.config.mistakes import near
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh
from simulator.istiod.validation import syntax

_KINDS = ("Namespace", "Service", "Pod", "Deployment")
_STATUS = "sidecar.istio.io/status"
_INJECT = "sidecar.istio.io/inject"
_SET_WITH_CNI = frozenset(
    {
        "sidecar.istio.io/interceptionMode",
        "traffic.sidecar.istio.io/includeInboundPorts",
        "traffic.sidecar.istio.io/excludeInboundPorts",
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
    }
)
_TRUTHS = frozenset(["1", "t", "true", "0", "f", "false"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """What is known of an annotation."""

    on: tuple[str, ...]
    alpha: bool = False
    deprecated: bool = False
    instead: str = ""


@cache
def known() -> Mapping[str, Annotation]:
    """Return Istio's annotations by name."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {
        name: Annotation(**{**entry, "on": tuple(entry["on"])})
        for name, entry in tomllib.loads(text).items()
    }


def _written(mesh: Mesh) -> Iterator[tuple[Object, str, str]]:
    for kind in _KINDS:
        for source in mesh.manifests.of(kind):
            for name, value in source.annotations.items():
                domain = name.partition("/")[0]
                if name == "kubernetes.io/ingress.class" or domain.endswith("istio.io"):
                    yield source, name, value


def misused(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0108, IST0135, IST0107 and IST0125 for annotations that are not right."""
    for source, name, value in _written(mesh):
        place = f"metadata.annotations.{name}"
        annotation = known().get(name)
        if annotation is None:
            yield report("IST0108", source, place, name=name, advice=near(name, known()))
            continue
        if annotation.deprecated and not (name == _INJECT and _INJECT in source.labels):
            instead = annotation.instead or "what Istio's documentation says now"
            yield report("IST0135", source, place, name=name, instead=instead)
        if "Any" in annotation.on:
            continue
        if source.kind not in annotation.on:
            yield report("IST0107", source, place, name=name, on=", ".join(annotation.on))
            continue
        check = _CHECKS.get(name)
        problem = check(value) if check is not None else None
        if problem is not None:
            yield report("IST0125", source, place, name=name, problem=problem)


def alpha(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0136 for annotations that may change or go."""
    for source, name, _ in _written(mesh):
        annotation = known().get(name)
        if annotation is None or not annotation.alpha or name == _STATUS:
            continue
        if source.kind == "Pod" and name in _SET_WITH_CNI:
            containers = source.spec.init_containers
            if not any(each.name == "istio-init" for each in containers):
                continue
        yield report("IST0136", source, f"metadata.annotations.{name}", name=name)


def _truth(value: str) -> str | None:
    return None if value.lower() in _TRUTHS else f"it is true or false, not '{value}'"


def _number(value: str) -> str | None:
    return None if value.isascii() and value.isdigit() else f"'{value}' is no number"


def _one_of(*values: str) -> Callable[[str], str | None]:
    return lambda value: None if value in values else f"it is {' or '.join(values)}"


def _each(check: Callable[[str], str | None], *, all_: bool = False) -> Callable[[str], str | None]:
    """Return a check of a list with commas; `all_` allows `*` instead."""

    def found(value: str) -> str | None:
        if not value or (all_ and value == "*"):
            return None
        return next(filter(None, (check(each.strip()) for each in value.split(","))), None)

    return found


def _range(value: str) -> str | None:
    return syntax.subnet(value) if "/" in value else f"'{value}' is no range such as 10.0.0.0/8"


_PORTS = _each(syntax.port_text)
_CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "sidecar.istio.io/inject": _truth,
    "sidecar.istio.io/rewriteAppHTTPProbers": _truth,
    "sidecar.istio.io/enableCoreDump": _truth,
    "sidecar.istio.io/controlPlaneAuthPolicy": _one_of("MUTUAL_TLS", "NONE"),
    "sidecar.istio.io/interceptionMode": _one_of("REDIRECT", "TPROXY", "NONE"),
    "status.sidecar.istio.io/port": syntax.port_text,
    "readiness.status.sidecar.istio.io/initialDelaySeconds": _number,
    "readiness.status.sidecar.istio.io/periodSeconds": _number,
    "readiness.status.sidecar.istio.io/failureThreshold": _number,
    "readiness.status.sidecar.istio.io/applicationPorts": _PORTS,
    "traffic.sidecar.istio.io/includeOutboundIPRanges": _each(_range, all_=True),
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": _each(_range),
    "traffic.sidecar.istio.io/includeInboundPorts": _each(syntax.port_text, all_=True),
    "traffic.sidecar.istio.io/excludeInboundPorts": _PORTS,
    "traffic.sidecar.istio.io/includeOutboundPorts": _PORTS,
    "traffic.sidecar.istio.io/excludeOutboundPorts": _PORTS,
}
