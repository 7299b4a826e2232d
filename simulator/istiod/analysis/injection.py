"""Injection: namespaces and pods that get no sidecar, or not the one that they should.

Follows   istio pkg/config/analysis/analyzers/injection/{injection,image-auto,injection-image}.go
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from simulator.config.kubernetes import Container
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod import names
from simulator.istiod.analysis.membership import PROXY
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
_SWITCH = "istio-injection"
_REVISION = "istio.io/rev"
_MODE = "istio.io/dataplane-mode"
_INJECT = "sidecar.istio.io/inject"
_INJECTOR = "istio-sidecar-injector"
_AUTO = "auto"


def namespaces(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0102 or IST0148 for namespaces without a word of it, IST0123 for those with two."""
    for source in _candidates(mesh):
        modes = [
            source.labels.get(_SWITCH) == "enabled",
            _REVISION in source.labels,
            source.labels.get(_MODE) == "ambient",
        ]
        switch = source.labels.get(_SWITCH)
        if switch != "disabled" and sum(modes) > 1:
            yield report("IST0123", source, "metadata.labels")
        elif switch is None and not any(modes):
            default = _values(mesh, "").get("sidecarInjectorWebhook") or {}
            enabled = isinstance(default, dict) and default.get("enableNamespacesByDefault")
            code = "IST0148" if enabled is True else "IST0102"
            yield report(code, source, "metadata.name", name=source.name)


def _candidates(mesh: Mesh) -> Iterator[Object]:
    for source in mesh.manifests.of("Namespace"):
        if source.name not in SYSTEM | {names.ROOT_NAMESPACE}:
            yield source


def _values(mesh: Mesh, revision: str) -> dict[str, Any]:
    """Return what the injector of a revision is told, of all that the installation says."""
    wanted = _INJECTOR if revision in {"", "default"} else f"{_INJECTOR}-{revision}"
    for each in mesh.manifests.of("ConfigMap"):
        if each.name == wanted:
            try:
                read = json.loads(each.spec.data.get("values", ""))
            except (ValueError, RecursionError):
                return {}
            return read if isinstance(read, dict) else {}
    return {}


def _revisions(mesh: Mesh) -> dict[str, str]:
    """Return the revision that injects each namespace that is injected."""
    found = {}
    for source in _candidates(mesh):
        if source.labels.get(_SWITCH) == "enabled":
            found[source.name] = source.labels.get(_REVISION, "default")
        elif _REVISION in source.labels and _SWITCH not in source.labels:
            found[source.name] = source.labels[_REVISION]
    return found


def pods(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0103 for pods in injected namespaces that have no proxy all the same."""
    injected = {
        name
        for name in _revisions(mesh)
        for each in _candidates(mesh)
        if each.name == name and not (_SWITCH in each.labels and _REVISION in each.labels)
    }
    for source in mesh.manifests.of("Pod"):
        wish = source.labels.get(_INJECT, source.annotations.get(_INJECT, ""))
        if source.namespace not in injected or wish.lower() == "false":
            continue
        containers = (*source.spec.containers, *source.spec.init_containers)
        if not source.spec.host_network and not _proxies(containers):
            yield report("IST0103", source, "metadata.name", namespace=source.namespace)


def _proxies(containers: tuple[Container, ...]) -> list[Container]:
    return [each for each in containers if each.name == PROXY and each.image]


def automatic_images(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0147 and IST0146 for proxies whose image nobody puts in."""
    for source in mesh.manifests.of("Pod"):
        if _is_automatic(source.spec.containers):
            yield report("IST0147", source, "spec.containers")
    labels = {each.name: each.labels for each in mesh.manifests.of("Namespace")}
    hooks = [
        hook
        for each in mesh.manifests.of("MutatingWebhookConfiguration")
        for hook in each.spec.webhooks
        if hook.name.endswith("istio.io")
    ]
    for source in mesh.manifests.of("Deployment"):
        template = source.spec.template
        if not _is_automatic(template.spec.containers):
            continue
        own = template.metadata.labels
        home = labels.get(source.namespace, {})
        if not any(
            hook.namespace_selector.selects(home) and hook.object_selector.selects(own)
            for hook in hooks
        ):
            yield report("IST0146", source, "spec.template.spec.containers")


def _is_automatic(containers: tuple[Container, ...]) -> bool:
    return any(each.image == _AUTO for each in _proxies(containers))


def images(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0158 for namespaces with pods whose proxy is not the one that is injected now."""
    revisions = _revisions(mesh)
    old: dict[str, list[str]] = defaultdict(list)
    for source in mesh.manifests.of("Pod"):
        if source.namespace not in revisions:
            continue
        wanted = _image(_values(mesh, revisions[source.namespace]))
        if not wanted or source.annotations.get("sidecar.istio.io/proxyImage"):
            continue
        proxies = _proxies((*source.spec.containers, *source.spec.init_containers))
        if any(each.image != wanted for each in proxies):
            old[source.namespace].append(source.name)
    for source in mesh.manifests.of("Namespace"):
        if source.name in old:
            pods_ = ", ".join(sorted(old[source.name]))
            yield report("IST0158", source, "metadata.name", pods=pods_)


def _image(values: dict[str, Any]) -> str:
    everywhere = values.get("global")
    if not isinstance(everywhere, dict):
        return ""
    proxy = everywhere.get("proxy")
    image = str(proxy.get("image", "")) if isinstance(proxy, dict) else ""
    return image if "/" in image else f"{everywhere.get('hub')}/{image}:{everywhere.get('tag')}"
