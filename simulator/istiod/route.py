"""Write the routes of one VirtualService, or of a service without one.

Models    envoy.config.route.v3.Route
Follows   istio pilot/pkg/networking/core/route/route.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.config.istio import (
    Destination,
    HTTPMatchRequest,
    HTTPMirrorPolicy,
    HTTPRetry,
    HTTPRoute,
    HTTPRouteDestination,
)
from simulator.config.objects import Object
from simulator.istiod import mutation, names, retry, route_filters
from simulator.istiod.match import catches_all, route_match
from simulator.istiod.part import Part, duration, istio_metadata, wrapped
from simulator.istiod.redirect import direct_response, redirect, without_prefix
from simulator.istiod.registry import Service
from simulator.istiod.virtual_service import HttpRule, VirtualService

_NO_TIMEOUT = duration(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """For whom and where routes are written."""

    labels: Mapping[str, str]
    """The proxy's."""
    namespace: str
    port: int
    """Of the listener (a sidecar's) or of the Gateway's server."""
    gateways: frozenset[str]
    """What the proxy is, as a VirtualService names it: `mesh`, or a Gateway's NAMESPACE/NAME."""
    tls: bool
    service: Callable[[str], Service | None]
    hash_policy: Callable[[Destination, str], Part | None]
    """The policy that a destination's DestinationRule asks for."""
    retries: HTTPRetry | None = None
    """The mesh's policy for routes without one of their own; None for istiod's."""


def service_route(
    service: Service, port: int, hash_policy: Part | None, retries: HTTPRetry | None = None
) -> Part:
    """Return the route to a service that no VirtualService speaks of."""
    route = default_route(
        names.outbound(service.hostname, port), operation(service.hostname, port, "/*")
    )
    action = Part(value=route.value["route"])
    policy = retry.policy(retries, consistent_hash=False)
    if policy is not None:
        action.nest("retry_policy", policy)
    _timeout(action, None, None, "")
    if hash_policy is not None:
        action.list("hash_policy", [hash_policy])
    route.nest("route", action)
    route.note("", service.source, "")
    return route


def default_route(cluster: str, decorated: str) -> Part:
    """Return istiod's route named `default`, without time-out or retries yet."""
    return Part(
        value={
            "name": "default",
            "match": {"prefix": "/"},
            "decorator": {"operation": decorated},
            "route": {"cluster": cluster},
        }
    )


def operation(host: str, port: int, path: str) -> str:
    """Return how traces name a route."""
    return f"{host}:{port}{path}"


def routes(virtual_service: VirtualService, context: Context) -> list[Part]:
    """Return the routes that a proxy gets of a VirtualService, up to the first that takes all."""
    found: list[Part] = []
    for rule in virtual_service.rules:
        if not rule.spec.match:
            found.append(_route(rule, None, "", virtual_service, context))
            return found
        for at, match in enumerate(rule.spec.match):
            if not source_match(match, context):
                continue
            route = _route(rule, match, f"match[{at}]", virtual_service, context)
            found.append(route)
            if catches_all(route.value):
                return found
    return found


def source_match(match: HTTPMatchRequest, context: Context) -> bool:
    """Say whether what of a condition is known of the proxy beforehand holds."""
    if match.port and match.port != context.port:
        return False
    if match.gateways:
        return any(each in context.gateways for each in match.gateways)
    wanted = match.source_labels or {}
    if any(context.labels.get(name) != value for name, value in wanted.items()):
        return False
    return not match.source_namespace or match.source_namespace == context.namespace


def _route(
    rule: HttpRule,
    match: HTTPMatchRequest | None,
    match_at: str,
    virtual_service: VirtualService,
    context: Context,
) -> Part:
    spec, source = rule.spec, rule.source
    part = Part()
    part.note("", source, f"{rule.at}.{match_at}" if match_at else rule.at)
    name = spec.name or ""
    if match is not None and match.name:
        name += f".{match.name}"
    part.put("name", name, source, f"{rule.at}.name" if name else "")
    by_element = virtual_service.by_element
    place = f"{rule.match_at}.{match_at}"
    part.nest("match", route_match(match, rule.match_source, place, by_element=by_element))
    part.value["metadata"] = _config_metadata(virtual_service.source)
    if match is not None and match.stat_prefix:
        part.put("stat_prefix", match.stat_prefix)
    authority = mutation.apply(part, spec.headers, source, f"{rule.at}.headers")
    if spec.redirect is not None:
        part.nest(
            "redirect",
            redirect(
                spec.redirect, context.port, context.tls, source, rule.at, part.value["match"]
            ),
        )
    elif spec.direct_response is not None:
        part.nest("direct_response", direct_response(spec.direct_response, source, rule.at))
    else:
        part.nest("route", _action(part, rule, authority, context))
        if virtual_service.gateway_semantics:
            part.value["route"]["cluster_not_found_response_code"] = "INTERNAL_SERVER_ERROR"
    part.value["decorator"] = {
        "operation": _operation(part.value, virtual_service.name, context.port)
    }
    route_filters.apply(part, spec, source, rule.at)
    return part


def _config_metadata(source: Object) -> dict[str, Any]:
    path = names.config_path("networking.istio.io/v1", source.kind, source.namespace, source.name)
    return istio_metadata({"config": path})


def _action(route: Part, rule: HttpRule, authority: str, context: Context) -> Part:
    spec, source, at = rule.spec, rule.source, rule.at
    action = Part()
    action.note("", source, f"{at}.route" if spec.route else at)
    _timeout(action, spec.timeout_ns, source, f"{at}.timeout")
    authority = _rewrite(action, spec, source, at, route.value["match"]) or authority
    if authority:
        place = f"{at}.rewrite.authority" if spec.rewrite else f"{at}.headers"
        action.put("host_rewrite_literal", authority, source, place)
    action.list("request_mirror_policies", _mirrors(spec, source, at, context))
    hashed = _destinations(action, route, rule, context)
    if spec.retries is None:
        policy = retry.policy(context.retries, consistent_hash=hashed)
    else:
        place = f"{at}.retries"
        policy = retry.policy(spec.retries, consistent_hash=hashed, source=source, at=place)
    if policy is not None:
        action.nest("retry_policy", policy)
    return action


def _timeout(action: Part, timeout_ns: int | None, source: Object | None, place: str) -> None:
    timeout = _NO_TIMEOUT if timeout_ns is None else duration(timeout_ns)
    action.put("timeout", timeout, source, place if timeout_ns is not None else "")
    action.value["max_grpc_timeout"] = timeout


def _rewrite(
    action: Part, spec: HTTPRoute, source: Object, at: str, match: Mapping[str, Any]
) -> str:
    rewrite = spec.rewrite
    if rewrite is None:
        return ""
    regex = rewrite.uri_regex_rewrite
    if regex is not None:
        value = {"pattern": {"regex": regex.match}, "substitution": regex.rewrite}
        action.put("regex_rewrite", value, source, f"{at}.rewrite.uriRegexRewrite")
    elif rewrite.uri == "/" and "path_separated_prefix" in match:
        value = without_prefix(match["path_separated_prefix"])
        action.put("regex_rewrite", value, source, f"{at}.rewrite.uri")
    elif rewrite.uri:
        action.put("prefix_rewrite", rewrite.uri, source, f"{at}.rewrite.uri")
    return rewrite.authority or ""


def _mirrors(spec: HTTPRoute, source: Object, at: str, context: Context) -> Iterable[Part]:
    targets: list[tuple[Destination, dict[str, Any] | None, str]] = []
    if spec.mirror is not None:
        targets.append((spec.mirror, mirror_share(spec), f"{at}.mirror"))
    for index, each in enumerate(spec.mirrors or ()):
        share = mirror_policy_share(each)
        if each.destination is not None:
            targets.append((each.destination, share, f"{at}.mirrors[{index}]"))
    for destination, share, place in targets:
        if share is None:
            continue
        part = Part()
        part.note("", source, place)
        part.put("cluster", cluster_of(destination, source.namespace, context))
        part.put("runtime_fraction", {"default_value": share})
        part.put("trace_sampled", wrapped(value=False))
        part.put("disable_shadow_host_suffix_append", value=True)
        yield part


def mirror_policy_share(policy: HTTPMirrorPolicy) -> dict[str, Any] | None:
    """Return the share of requests that one of several mirrors gets; None for none."""
    if policy.percentage is None:
        return route_filters.hundredths(100)
    share = policy.percentage
    return route_filters.millionths(share) if share.value > 0 else None


def mirror_share(spec: HTTPRoute) -> dict[str, Any] | None:
    """Return the share of requests that a route's one mirror gets; None for none."""
    if spec.mirror_percentage is not None:
        share = spec.mirror_percentage
        return route_filters.millionths(share) if share.value > 0 else None
    if spec.mirror_percent is not None:
        return route_filters.hundredths(spec.mirror_percent) if spec.mirror_percent > 0 else None
    return route_filters.hundredths(100)


def cluster_of(destination: Destination, namespace: str, context: Context) -> str:
    """Return the cluster that a destination means, whether there is one or not."""
    if not destination.host:
        return names.UNKNOWN
    host = names.resolve(destination.host, namespace)
    service = context.service(host)
    port = context.port
    if destination.port is not None and destination.port.number:
        port = destination.port.number
    elif service is not None and len(service.ports) == 1:
        port = service.ports[0].number
    if service is not None and service.external_name:
        host = service.external_name
    return names.outbound(host, port, destination.subset or "")


def _destinations(action: Part, route: Part, rule: HttpRule, context: Context) -> bool:
    """Set the cluster or clusters; return whether the one destination is chosen by a hash."""
    spec, source, at = rule.spec, rule.source, rule.at
    destinations = spec.route or ()
    hashes: list[Part] = []
    if len(destinations) == 1:
        (only,) = destinations
        place = f"{at}.route[0]"
        cluster = cluster_of(only.destination, source.namespace, context)
        action.put("cluster", cluster, source, f"{place}.destination")
        authority = mutation.apply(route, only.headers, source, f"{place}.headers")
        # The route's own authority wins, unlike its other headers: Envoy could not do otherwise
        # for several clusters, and one should not differ from several.
        if authority and "host_rewrite_literal" not in action.value:
            action.put("host_rewrite_literal", authority, source, f"{place}.headers")
        hashes = _hashes(only, source.namespace, context)
    else:
        weighted = [
            _weighted(each, source, f"{at}.route[{index}]", context)
            for index, each in enumerate(destinations)
            if each.weight
        ]
        clusters = Part()
        clusters.list("clusters", weighted)
        action.nest("weighted_clusters", clusters)
        for each in destinations:
            if each.weight:
                hashes += _hashes(each, source.namespace, context)
    action.list("hash_policy", hashes)
    return len(destinations) == 1 and bool(hashes)


def _hashes(destination: HTTPRouteDestination, namespace: str, context: Context) -> list[Part]:
    policy = context.hash_policy(destination.destination, namespace)
    return [] if policy is None else [policy]


def _weighted(
    destination: HTTPRouteDestination, source: Object, place: str, context: Context
) -> Part:
    part = Part()
    part.note("", source, place)
    cluster = cluster_of(destination.destination, source.namespace, context)
    part.put("name", cluster, source, f"{place}.destination")
    part.put("weight", wrapped(destination.weight or 0), source, f"{place}.weight")
    authority = mutation.apply(part, destination.headers, source, f"{place}.headers")
    if authority:
        part.put("host_rewrite_literal", authority, source, f"{place}.headers")
    return part


def _operation(route: Mapping[str, Any], virtual_service: str, port: int) -> str:
    match = route["match"]
    prefix = match.get("path_separated_prefix") or match.get("prefix", "")
    path = match.get("path") or match.get("safe_regex", {}).get("regex") or prefix + "*"
    cluster = route.get("route", {}).get("cluster", "")
    if cluster.startswith("outbound|"):
        _, cluster_port, _, host = cluster.split("|", 3)
        return operation(host, int(cluster_port), path)
    return operation(virtual_service, port, path)
