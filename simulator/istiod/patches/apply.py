"""Apply patches to all resources of a proxy.

Follows   istio pilot/pkg/networking/core/envoyfilter/{cluster_patch,listener_patch,rds}.go
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from simulator.envoy_api import Resources
from simulator.istiod import names
from simulator.istiod.patches.listeners import patched_listener
from simulator.istiod.patches.merge import merge
from simulator.istiod.patches.patch import Context, Placed
from simulator.istiod.patches.routes import patched_table

_VIRTUAL_INBOUND = "virtualInbound"


def apply(resources: Resources, found: list[Placed], *, gateway: bool) -> Resources:
    """Return the resources as the patches leave them."""
    if not found:
        return resources
    outbound = Context.GATEWAY if gateway else Context.OUTBOUND
    return replace(
        resources,
        clusters=_clusters(resources.clusters, found, outbound),
        listeners=_listeners(resources.listeners, found, outbound),
        routes=tuple(patched_table(each, found, outbound) for each in resources.routes),
    )


def _sorted(messages: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted({each.name: each for each in messages}.values(), key=lambda one: one.name))


def _clusters(clusters: Iterable[Any], found: list[Placed], outbound: Context) -> tuple[Any, ...]:
    kept = []
    for cluster in clusters:
        inbound = cluster.name.startswith("inbound|") or cluster.name == names.INBOUND_PASSTHROUGH
        context = Context.INBOUND if inbound else outbound
        one: Any = cluster
        for patch in found:
            if one is None or not patch.about("CLUSTER", context) or not _for(patch, cluster.name):
                continue
            if patch.operation == "REMOVE":
                one = None
            elif patch.operation == "MERGE" and patch.value is not None:
                one = _copy(one) if one is cluster else one
                merge(one, patch.value)
        kept += [one] if one is not None else []
    contexts = (Context.INBOUND, outbound) if outbound is Context.OUTBOUND else (outbound,)
    added = [
        patch.value
        for patch in found
        if patch.operation == "ADD"
        and patch.value is not None
        and any(patch.about("CLUSTER", each) for each in contexts)
    ]
    return _sorted([*added, *kept])


def _for(patch: Placed, name: str) -> bool:
    match = patch.spec.match.cluster if patch.spec.match is not None else None
    if match is None:
        return True
    if match.name:
        return match.name == name
    parts = name.split("|") if name.count("|") == 3 else ["", "0", "", ""]
    _, port, subset, host = parts
    return (
        match.subset in {"", subset}
        and match.service in {"", host}
        and match.port_number in {0, int(port)}
    )


def _listeners(listeners: Iterable[Any], found: list[Placed], outbound: Context) -> tuple[Any, ...]:
    kept = []
    for listener in listeners:
        context = Context.INBOUND if listener.name == _VIRTUAL_INBOUND else outbound
        one = patched_listener(listener, found, context)
        kept += [one] if one is not None else []
    contexts = (Context.INBOUND, outbound) if outbound is Context.OUTBOUND else (outbound,)
    added = [
        patch.value
        for patch in found
        if patch.operation == "ADD"
        and patch.value is not None
        and any(patch.about("LISTENER", each) for each in contexts)
    ]
    return _sorted([*added, *kept])


def _copy(message: Any) -> Any:  # noqa: ANN401 - protobuf
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
