"""Istio's webhooks: two that inject the same pod, services and addresses that do not exist.

Follows   istio pkg/config/analysis/analyzers/{webhook/webhook,
          externalcontrolplane/externalcontrolplane}.go
Leaves    no name is looked up: an address is told from a name by its form
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from urllib.parse import urlsplit

from simulator.config.objects import Object
from simulator.config.webhooks import Webhook
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh
from simulator.istiod.validation import syntax

_REVISION = "istio.io/rev"
_NAMESPACES: tuple[dict[str, str], ...] = (
    {},
    {"istio-injection": "enabled"},
    {"istio-injection": "disabled"},
)
_PODS: tuple[dict[str, str], ...] = (
    {},
    {"sidecar.istio.io/inject": "true"},
    {"sidecar.istio.io/inject": "false"},
)
_EXTERNAL = {
    "ValidatingWebhookConfiguration": (
        "istio-validator-external-istiod",
        "istiod-default-validator",
    ),
    "MutatingWebhookConfiguration": ("istio-sidecar-injector-external-istiod",),
}


def injectors(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0139 for webhooks that overlap, or whose Service does not exist."""
    found = [
        (source, at, each)
        for source in mesh.manifests.of("MutatingWebhookConfiguration")
        if _revisions(source) or any(one.name.endswith("istio.io") for one in source.spec.webhooks)
        for at, each in enumerate(source.spec.webhooks)
    ]
    revisions = sorted({each for source, _, _ in found for each in _revisions(source)})
    for namespace, pod in product(
        _with_revisions(_NAMESPACES, revisions), _with_revisions(_PODS, revisions)
    ):
        matching = [one for one in found if _selects(one[2], namespace, pod)]
        for source, at, each in matching if len(matching) > 1 else ():
            others = ", ".join(
                f"{other.name}/{hook.name}" for other, _, hook in matching if hook is not each
            )
            problem = f"it injects the same pods as {others}"
            yield report("IST0139", source, f"webhooks[{at}]", problem=problem)
    services = {(each.namespace, each.name) for each in mesh.manifests.of("Service")}
    for source, at, each in found:
        service = each.client_config.service
        if service is not None and (service.namespace, service.name) not in services:
            problem = f"there is no Service {service.name}.{service.namespace}"
            field = f"webhooks[{at}].clientConfig.service"
            yield report("IST0139", source, field, problem=problem)


def _selects(each: Webhook, namespace: dict[str, str], pod: dict[str, str]) -> bool:
    return each.namespace_selector.selects(namespace) and each.object_selector.selects(pod)


def _with_revisions(
    bases: tuple[dict[str, str], ...], revisions: list[str]
) -> list[dict[str, str]]:
    return [*bases, *({**base, _REVISION: each} for each in revisions for base in bases)]


def _revisions(source: Object) -> set[str]:
    found = {source.labels[_REVISION]} if _REVISION in source.labels else set()
    for each in source.spec.webhooks:
        for selector in (each.namespace_selector, each.object_selector):
            if _REVISION in selector.match_labels:
                found.add(selector.match_labels[_REVISION])
            for expression in selector.match_expressions:
                if expression.key == _REVISION:
                    found |= set(expression.values)
    return found


def external(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0163 for an external control plane without a URL, IST0164 for one without a name."""
    kinds = {kind: mesh.manifests.of(kind) for kind in _EXTERNAL}
    if not all(any(each.name == _EXTERNAL[kind][0] for each in kinds[kind]) for kind in kinds):
        return
    for kind, sources in kinds.items():
        for source in sources:
            if source.name in _EXTERNAL[kind]:
                yield from _external(source)


def _external(source: Object) -> Iterator[Diagnostic]:
    for at, each in enumerate(source.spec.webhooks):
        field = f"webhooks[{at}].clientConfig"
        url = each.client_config.url
        host = urlsplit(url).hostname if url else None
        if host is None:
            yield report("IST0163", source, field, webhook=each.name)
            return
        if syntax.is_address(host):
            yield report("IST0164", source, field, webhook=each.name, address=host)
            return
