"""Name what manifests ask for and no proxy here will do.

The objects are accepted and checked; what they change in a real mesh is left out.

Follows   docs/fidelity.yaml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from simulator.config.istio import MeshConfig
from simulator.config.objects import Manifests, Object
from simulator.diagnostics import Diagnostic, diagnose

Found = Iterator[tuple[str, str]]
"""Paths of fields, and what they would do."""

_KINDS = {
    "WasmPlugin": "extensions in WebAssembly are not run",
    "TrafficExtension": "extensions are not run",
    "ProxyConfig": "it changes no proxy; annotations and the mesh's defaultConfig are read",
    "WorkloadGroup": "no workload registers itself",
}


def unmodelled(manifests: Manifests, config: MeshConfig) -> Iterator[Diagnostic]:
    """Yield what is accepted but not simulated: of the mesh's configuration, then by object."""
    for path, what in _mesh(config):
        yield diagnose("not-simulated", resource="MeshConfig", field=path, what=what)
    for source in manifests.objects:
        if source.kind in _KINDS and "istio.io" in source.api_version:
            yield _say(source, "kind", _KINDS[source.kind])
        elif source.kind in _FIELDS and _ours(source.api_version):
            for path, what in _FIELDS[source.kind](source.spec):
                yield _say(source, path, what)


def _ours(api_version: str) -> bool:
    group = api_version.partition("/")[0]
    return group.endswith(("istio.io", "gateway.networking.k8s.io", "gateway.networking.x-k8s.io"))


def _mesh(config: MeshConfig) -> Found:
    if config.default_traffic_policy is not None:
        yield "defaultTrafficPolicy", "destinations have what their own rules say"
    if config.enable_tracing:
        yield "enableTracing", "no spans are reported"


def _say(source: Object, path: str, what: str) -> Diagnostic:
    return diagnose(
        "not-simulated", position=source.at(path), resource=source.ref, field=path, what=what
    )


def _destination_rule(spec: Any) -> Found:  # noqa: ANN401 - a DestinationRule
    yield from _policy(spec.traffic_policy, "spec.trafficPolicy")
    for at, subset in enumerate(spec.subsets):
        yield from _policy(subset.traffic_policy, f"spec.subsets[{at}].trafficPolicy")


def _policy(policy: Any, at: str) -> Found:  # noqa: ANN401 - a TrafficPolicy
    if policy is None:
        return
    if policy.tunnel is not None:
        yield f"{at}.tunnel", "connections go straight to the destination"
    if policy.proxy_protocol is not None:
        yield f"{at}.proxyProtocol", "no PROXY header is sent"
    yield from _blocks(policy, at)
    for index, each in enumerate(policy.port_level_settings):
        yield from _blocks(each, f"{at}.portLevelSettings[{index}]")


def _blocks(policy: Any, at: str) -> Found:  # noqa: ANN401 - a policy, or a port's
    balancer = policy.load_balancer
    if balancer is not None and balancer.backend_utilization is not None:
        yield f"{at}.loadBalancer.backendUtilization", "endpoints report no load"
    if balancer is not None and balancer.zone_aware_lb_setting is not None:
        yield f"{at}.loadBalancer.zoneAwareLbSetting", "zones do not weigh in the choice"
    http = policy.connection_pool.http if policy.connection_pool is not None else None
    if http is not None and http.http2_keep_alive is not None:
        yield f"{at}.connectionPool.http.http2KeepAlive", "connections are never found dead"


def _service_entry(spec: Any) -> Found:  # noqa: ANN401 - a ServiceEntry
    if spec.resolution == "DYNAMIC_DNS":
        yield "spec.resolution", "connections go to where the client had connected"


def _sidecar(spec: Any) -> Found:  # noqa: ANN401 - a Sidecar
    for at, each in enumerate(spec.egress):
        if each.port is not None and each.port.protocol.upper() == "HTTP_PROXY":
            yield f"spec.egress[{at}].port.protocol", "the listener forwards by its own port alone"
        if each.bind.startswith("unix:"):
            yield f"spec.egress[{at}].bind", "no listener takes Unix sockets"
    if spec.outbound_traffic_policy is not None and spec.outbound_traffic_policy.egress_proxy:
        yield "spec.outboundTrafficPolicy.egressProxy", "unknown hosts are reached directly"


def _telemetry(spec: Any) -> Found:  # noqa: ANN401 - a Telemetry
    if spec.tracing:
        yield "spec.tracing", "no spans are reported"
    if spec.metrics:
        yield "spec.metrics", "metrics are as if it were not there"


def _route(spec: Any) -> Found:  # noqa: ANN401 - an HTTPRoute or a GRPCRoute
    for at, rule in enumerate(spec.rules):
        here = f"spec.rules[{at}]"
        if rule.session_persistence is not None:
            yield f"{here}.sessionPersistence", "requests of a session go to any endpoint"
        yield from _filters(rule.filters, here)
        for index, backend in enumerate(rule.backend_refs):
            yield from _filters(backend.filters, f"{here}.backendRefs[{index}]")


def _filters(filters: Any, at: str) -> Found:  # noqa: ANN401 - of a rule or a backend
    for index, each in enumerate(filters):
        if each.type == "ExternalAuth":
            yield f"{at}.filters[{index}].externalAuth", "nobody is asked, and requests pass"


def _backend_policy(spec: Any) -> Found:  # noqa: ANN401 - an XBackendTrafficPolicy
    if spec.session_persistence is not None:
        yield "spec.sessionPersistence", "requests of a session go to any endpoint"


_FIELDS: Mapping[str, Callable[[Any], Found]] = {
    "DestinationRule": _destination_rule,
    "GRPCRoute": _route,
    "HTTPRoute": _route,
    "ServiceEntry": _service_entry,
    "Sidecar": _sidecar,
    "Telemetry": _telemetry,
    "XBackendTrafficPolicy": _backend_policy,
}
