"""Write the clusters of a proxy.

Models    envoy.config.cluster.v3.Cluster
Follows   istio pilot/pkg/networking/core/cluster.go, cluster_builder.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from simulator.istiod import names, traffic_policy
from simulator.istiod.authn import tls
from simulator.istiod.authn.clients import Peer, secure
from simulator.istiod.destination_rule import Placed, Rule
from simulator.istiod.endpoints import locality_endpoints, preferred
from simulator.istiod.inbound import InboundPort
from simulator.istiod.part import Part, address, duration, istio_metadata
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Port, Resolution, Service
from simulator.istiod.scope import Scope
from simulator.istiod.traffic_policy import Blocks

_ADS = {"ads": {}, "initial_fetch_timeout": duration(0), "resource_api_version": "V3"}
_IDLE_NS = 300_000_000_000
_DNS_JITTER_NS = 100_000_000
_FOREVER = {"seconds": 9_223_372_035}
"""Envoy's longest time, some 292 years."""
INBOUND_SOURCE = "127.0.0.6"
"""Connections from here to the workload are not captured again."""

_TYPES = {
    Resolution.ENDPOINTS: "EDS",
    Resolution.DNS: "STRICT_DNS",
    Resolution.DNS_ROUND_ROBIN: "LOGICAL_DNS",
    Resolution.ORIGINAL: "ORIGINAL_DST",
}


def outbound_clusters(scope: Scope) -> Iterator[Part]:
    """Yield a cluster for each port of each service, and for each of its subsets."""
    for service in scope.services.values():
        yield from _of_service(scope, service, names.outbound)


def sni_dnat_clusters(scope: Scope) -> Iterator[Part]:
    """Yield the same clusters under the names by which TLS clients ask for them."""
    for service in scope.services.values():
        if not service.external:
            yield from _of_service(scope, service, names.sni_dnat)


_Name = Callable[[str, int, str], str]


def _of_service(scope: Scope, service: Service, name: _Name) -> Iterator[Part]:
    if service.resolution is Resolution.ALIAS:
        return
    rule = scope.destination_rule(service.hostname)
    for port in service.ports:
        if port.protocol is not Protocol.UDP:
            yield from _of_port(scope, service, port, rule, name)


def _of_port(
    scope: Scope, service: Service, port: Port, rule: Rule | None, name: _Name
) -> Iterator[Part]:
    blocks = traffic_policy.of_cluster(rule, port.number, None)
    base = _outbound(scope, service, port, None, name)
    if base is None:
        return
    fields = dict(base[1])
    if service.external:
        fields["external"] = True
    if rule is not None:
        fields["config"] = _config(rule)
    # What passes through a gateway by its server name is secured already.
    spoken = name is names.outbound
    peer = Peer(service=service, port=port, subset="") if spoken else None
    yield _finished(scope, base[0], port, blocks, fields, peer)
    for placed in rule.subsets if rule is not None else ():
        subset = _outbound(scope, service, port, placed, name)
        if subset is None:
            continue
        assert rule is not None
        own = traffic_policy.of_cluster(rule, port.number, placed)
        fields = {**subset[1], "config": _config(rule), "subset": placed.subset.name}
        if spoken:
            peer = Peer(service=service, port=port, subset=placed.subset.name)
        yield _finished(scope, subset[0], port, own, fields, peer)


def _config(rule: Rule) -> str:
    source = rule.source
    return names.config_path("networking.istio.io/v1", source.kind, source.namespace, source.name)


def _outbound(
    scope: Scope, service: Service, port: Port, placed: Placed | None, named: _Name
) -> tuple[Part, dict[str, Any]] | None:
    subset = placed.subset.name if placed is not None else ""
    name = named(service.hostname, port.number, subset)
    kind = _TYPES[service.resolution]
    if scope.pod.gateway and kind == "ORIGINAL_DST":
        # Nothing is captured at a gateway, so there is no original destination.
        kind = "EDS"
    cluster = Part(
        value={
            "name": name,
            "type": kind,
            "alt_stat_name": names.stat_prefix(name),
            "common_lb_config": {"healthy_panic_threshold": {"value": 0.0}},
        }
    )
    near = preferred(scope, service, port, placed)
    if near is not None and near.weighted and kind != "ORIGINAL_DST":
        cluster.value["common_lb_config"]["locality_weighted_lb_config"] = {}
    if placed is not None:
        cluster.note("", placed.source, placed.at)
    else:
        cluster.note("", service.source, "")
    if kind in {"STRICT_DNS", "LOGICAL_DNS"}:
        endpoints = locality_endpoints(scope, service, port, placed)
        if not endpoints:
            return None
        cluster.value |= {
            "dns_lookup_family": "V4_ONLY",
            "dns_refresh_rate": duration(scope.mesh.config.dns_refresh_rate_ns),
            "dns_jitter": duration(_DNS_JITTER_NS),
            "respect_dns_ttl": True,
        }
        assignment = Part(value={"cluster_name": name})
        assignment.list("endpoints", endpoints)
        cluster.nest("load_assignment", assignment)
    return cluster, _telemetry([service])


def _telemetry(services: list[Service]) -> dict[str, Any]:
    known = {
        each.hostname: {"host": each.hostname, "name": each.name, "namespace": each.namespace}
        for each in services
    }
    return {"services": list(known.values())}


def _finished(
    scope: Scope,
    cluster: Part,
    port: Port,
    blocks: Blocks,
    fields: dict[str, Any],
    peer: Peer | None,
) -> Part:
    options = traffic_policy.upstream_protocol(port.protocol, sidecar=not scope.pod.gateway)
    traffic_policy.connection_pool(
        scope.mesh.config, cluster, blocks.get("connection_pool"), options
    )
    pool = blocks.get("connection_pool")
    traffic_policy.upgrade(scope.mesh.config, port.protocol, pool, options)
    traffic_policy.retry_budget(cluster, blocks.get("retry_budget"))
    traffic_policy.outlier_detection(cluster, blocks.get("outlier_detection"))
    traffic_policy.load_balancer(cluster, blocks.get("load_balancer"))
    if peer is not None and secure(scope, cluster, peer, blocks.get("tls"), options):
        fields = {**fields, tls.ALPN: tls.HTTP_INSIDE}
    if cluster.value["type"] == "EDS":
        cluster.value["eds_cluster_config"] = {
            "eds_config": _ADS,
            "service_name": cluster.value["name"],
        }
    cluster.value["typed_extension_protocol_options"] = traffic_policy.http_options(options)
    cluster.value["metadata"] = istio_metadata(fields)
    return cluster


def inbound_clusters(scope: Scope, ports: list[InboundPort]) -> Iterator[Part]:
    """Yield one cluster a port of the workload: what came in goes on to where it was sent."""
    for each in ports:
        name = names.inbound(each.number)
        cluster = Part(
            value={
                "name": name,
                "type": "ORIGINAL_DST",
                "lb_policy": "CLUSTER_PROVIDED",
                "alt_stat_name": names.stat_prefix(name),
                "cleanup_interval": _FOREVER,
                "common_lb_config": {},
            }
        )
        cluster.note("", each.source, each.at)
        if each.endpoint is not None:
            host, port = each.endpoint
            endpoint = {"endpoint": {"address": address(host, port)}}
            cluster.value["type"] = "STATIC"
            cluster.value["lb_policy"] = "ROUND_ROBIN"
            del cluster.value["cleanup_interval"]
            cluster.value["load_assignment"] = {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [endpoint]}],
            }
        options = traffic_policy.upstream_protocol(each.protocol, sidecar=True)
        fields: dict[str, Any] = _telemetry(list(each.services))
        blocks: Blocks = {}
        rule = scope.destination_rule(each.services[0].hostname) if each.services else None
        if rule is not None and rule.policy is not None and not rule.selector:
            blocks = traffic_policy.blocks(
                rule.policy, each.service_port, rule.policy_source, "spec.trafficPolicy"
            )
            fields["config"] = _config(rule)
        traffic_policy.connection_pool(
            scope.mesh.config, cluster, blocks.get("connection_pool"), options
        )
        cluster.value["typed_extension_protocol_options"] = traffic_policy.http_options(options)
        cluster.value["metadata"] = istio_metadata(fields)
        if each.endpoint is None or not each.endpoint[0].startswith("127."):
            cluster.value["upstream_bind_config"] = _bind()
        yield cluster


def _bind() -> dict[str, Any]:
    return {"source_address": {"address": INBOUND_SOURCE, "port_value": 0}}


def black_hole() -> Part:
    """Return the cluster that leads nowhere."""
    return Part(
        value={
            "name": names.BLACK_HOLE,
            "type": "STATIC",
            "alt_stat_name": names.stat_prefix(names.BLACK_HOLE),
            "connect_timeout": duration(10_000_000_000),
        }
    )


def passthrough(scope: Scope, *, inbound: bool) -> Part:
    """Return the cluster that leads to where the client had connected."""
    options: dict[str, Any] = {"common_http_protocol_options": {"idle_timeout": duration(_IDLE_NS)}}
    traffic_policy.use_downstream_protocol(options)
    part = Part(
        value={
            "name": names.INBOUND_PASSTHROUGH if inbound else names.PASSTHROUGH,
            "type": "ORIGINAL_DST",
            "lb_policy": "CLUSTER_PROVIDED",
            # istiod copies the outbound one, its statistics' name included.
            "alt_stat_name": names.stat_prefix(names.PASSTHROUGH),
            "typed_extension_protocol_options": traffic_policy.http_options(options),
        }
    )
    traffic_policy.connection_pool(scope.mesh.config, part, None, {})
    if inbound:
        part.value["upstream_bind_config"] = _bind()
    return part
