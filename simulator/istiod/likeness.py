"""Say which sidecars are sent the same configuration for what their workloads send.

What leads out of a pod is translated for its double, which has nothing of the pod but
what such configuration may depend on. Pods with equal doubles share the result.

Follows   istio pilot/pkg/model/xds_cache.go (what a cached resource depends on)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

from simulator.config.istio import LoadBalancerSettings
from simulator.istiod.locality import HOSTNAME, NETWORK
from simulator.istiod.registry import Mesh, Pod, Resolution
from simulator.istiod.telemetry import selectors

_LABELS = "labels that decide"


def kindred(mesh: Mesh, pod: Pod) -> Pod:
    """Return a sidecar's double."""
    watched: set[str] = mesh.shared.setdefault(_LABELS, frozenset(_watched(mesh)))
    return replace(
        pod,
        name="",
        # A proxy does not listen for its own workload at the addresses of a headless service.
        ip=pod.ip if pod.ip in _headless(mesh) else "",
        labels={name: value for name, value in sorted(pod.labels.items()) if name in watched},
        service_account="",
        deployment="",
        version="",
        ports=(),
        named_ports={},
        source=None,
    )


def likeness(double: Pod) -> Hashable:
    """Return what is the same for doubles that are equal."""
    return (
        double.namespace,
        double.ip,
        tuple(double.labels.items()),
        double.locality,
        double.dns_capture,
    )


_ADDRESSES = "addresses of headless services"


def _headless(mesh: Mesh) -> frozenset[str]:
    if _ADDRESSES not in mesh.shared:
        mesh.shared[_ADDRESSES] = frozenset(
            endpoint.address
            for service in mesh.registered
            if service.resolution is Resolution.ORIGINAL
            for endpoint in service.endpoints
        )
    found: frozenset[str] = mesh.shared[_ADDRESSES]
    return found


def _watched(mesh: Mesh) -> Iterator[str]:
    """Yield the labels by which a resource may tell one client from another."""
    for virtual_service in mesh.virtual_services:
        spec = virtual_service.source.spec
        for http_rule in virtual_service.rules:
            for http in http_rule.spec.match:
                yield from http.source_labels
        for l4 in (*spec.tcp, *spec.tls):
            for match in l4.match:
                yield from match.source_labels
    for sidecar in mesh.manifests.of("Sidecar"):
        if sidecar.spec.workload_selector is not None:
            yield from sidecar.spec.workload_selector.labels
    for labels in selectors(mesh):
        yield from labels
    settings = [mesh.config.locality_lb_setting]
    for destination_rule in mesh.manifests.of("DestinationRule"):
        if destination_rule.spec.workload_selector is not None:
            yield from destination_rule.spec.workload_selector.match_labels
        policies: list[Any] = [destination_rule.spec.traffic_policy]
        policies += [subset.traffic_policy for subset in destination_rule.spec.subsets]
        for policy in policies:
            if policy is not None:
                settings += map(_setting, (policy, *policy.port_level_settings))
    for setting in settings:
        if setting is not None:
            yield from (label.partition("=")[0] for label in setting.failover_priority)
    for service in mesh.registered:
        if service.traffic_distribution:
            yield from (NETWORK, HOSTNAME)


def _setting(policy: Any) -> Any:  # noqa: ANN401 - a policy, or a port's
    balancer: LoadBalancerSettings | None = policy.load_balancer
    return balancer.locality_lb_setting if balancer is not None else None
