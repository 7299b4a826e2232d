"""Policies: workloads and namespaces that do not exist, keys fetched from anywhere, bad news.

Follows   istio pkg/config/analysis/analyzers/{authz/authorizationpolicies,authn/blockedcidrs,
          conditions/conditions}.go
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from simulator.config.mistakes import near
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.membership import in_mesh
from simulator.istiod.analysis.report import listed, report
from simulator.istiod.registry import Mesh

_BLOCKED = "BLOCKED_CIDRS_IN_JWKS_URIS"
_WITH_CONDITIONS = ("Service", "ServiceEntry", "AuthorizationPolicy")


def workloads(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0127 for AuthorizationPolicies that no pod in the mesh falls under."""
    pods = [pod for pod in mesh.pods if in_mesh(mesh, pod)]
    for source in mesh.manifests.of("AuthorizationPolicy"):
        spec = source.spec
        everywhere = source.namespace == mesh.config.root_namespace
        if spec.target_ref is not None or spec.target_refs:
            continue
        if spec.selector is None and everywhere:
            continue
        labels = spec.selector.match_labels if spec.selector is not None else {}
        here = [pod for pod in pods if everywhere or pod.namespace == source.namespace]
        if not any(labels.items() <= pod.labels.items() for pod in here):
            field = "spec.selector" if labels else "metadata.namespace"
            named = f"with {listed(labels)}" if labels else f"in {source.namespace}"
            yield report("IST0127", source, field, named=named)


def namespaces(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for namespaces that a policy names and nobody has."""
    known = [each.name for each in mesh.manifests.of("Namespace")]
    for source in mesh.manifests.of("AuthorizationPolicy"):
        for at, rule in enumerate(source.spec.rules):
            for index, one in enumerate(rule.from_):
                if one.source is None:
                    continue
                for field, written in (
                    ("namespaces", one.source.namespaces),
                    ("notNamespaces", one.source.not_namespaces),
                ):
                    for place, name in enumerate(written):
                        if not any(_is(each, name) for each in known):
                            path = f"spec.rules[{at}].from[{index}].source.{field}[{place}]"
                            yield report(
                                "IST0101", source, path, what="namespace", name=name,
                                advice=near(name, known),
                            )  # fmt: skip


def _is(namespace: str, written: str) -> bool:
    if written.startswith("*") or written.endswith("*"):
        return fnmatchcase(namespace, written)
    return namespace.lower() == written.lower()


def fetched_keys(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0175 for an istiod that fetches the keys of tokens from any address."""
    asking = mesh.manifests.of("RequestAuthentication")
    for source in mesh.manifests.of("Deployment") if asking else ():
        if source.labels.get("app") != "istiod":
            continue
        variables = [
            each for container in source.spec.template.spec.containers for each in container.env
        ]
        if not any(each.name == _BLOCKED and each.value for each in variables):
            named = ", ".join(each.ref for each in asking)
            yield report("IST0175", source, "metadata.name", variable=_BLOCKED, policies=named)


def conditions(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0171 for each condition of an object's status that is false."""
    for kind in _WITH_CONDITIONS:
        for source in mesh.manifests.of(kind):
            yield from _conditions(source)


def _conditions(source: Object) -> Iterator[Diagnostic]:
    written = source.status.get("conditions")
    for at, each in enumerate(written if isinstance(written, list) else ()):
        if isinstance(each, dict) and str(each.get("status")) == "False":
            reason = f"{each.get('reason', '')} {each.get('message', '')}".strip()
            field = f"status.conditions[{at}]"
            yield report("IST0171", source, field, type=each.get("type", ""), reason=reason)
