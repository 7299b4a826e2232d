"""Traffic policies: pools, outlier detection, load balancing, tunnels.

Follows   istio pkg/config/validation/validation.go (validateTrafficPolicy and what it calls)
"""

from __future__ import annotations

from math import isqrt

from simulator.config.istio import (
    ConnectionPoolHTTP,
    ConnectionPoolSettings,
    ConnectionPoolTCP,
    ConsistentHash,
    LoadBalancerSettings,
    OutlierDetection,
    PortTrafficPolicy,
    TrafficPolicy,
    Tunnel,
)
from simulator.istiod.validation import syntax
from simulator.istiod.validation.client_tls import client_tls
from simulator.istiod.validation.fault import Fault, Faults, fault
from simulator.istiod.validation.locality import locality, zone_aware

_LARGEST_TABLE = 5_000_011
_TUNNELS = frozenset({"", "CONNECT", "POST"})
_PARTS = ("load_balancer", "connection_pool", "outlier_detection", "tls")
_MORE_PARTS = (*_PARTS, "port_level_settings", "tunnel", "proxy_protocol", "retry_budget")


def traffic_policy(policy: TrafficPolicy | None, at: str) -> Faults:
    """Check the policy of a host or a subset."""
    if policy is None:
        return
    if not any(getattr(policy, name) for name in _MORE_PARTS):
        yield Fault(at, "an empty policy means nothing")
        return
    if policy.tunnel is not None and policy.proxy_protocol is not None:
        yield Fault(f"{at}.proxyProtocol", "it does not go with a tunnel")
        return
    yield from _parts(policy, at)
    for index, each in enumerate(policy.port_level_settings):
        place = f"{at}.portLevelSettings[{index}]"
        if each.port is None:
            yield Fault(place, "it needs a port")
        if not any(getattr(each, name) is not None for name in _PARTS):
            yield Fault(place, "an empty policy means nothing")
        yield from _parts(each, place)
    if policy.tunnel is not None:
        yield from _tunnel(policy.tunnel, f"{at}.tunnel")


def _parts(policy: TrafficPolicy | PortTrafficPolicy, at: str) -> Faults:
    yield from outlier_detection(policy.outlier_detection, f"{at}.outlierDetection")
    yield from connection_pool(policy.connection_pool, f"{at}.connectionPool")
    yield from load_balancer(policy.load_balancer, policy.outlier_detection, f"{at}.loadBalancer")
    yield from client_tls(policy.tls, f"{at}.tls")


def outlier_detection(outlier: OutlierDetection | None, at: str) -> Faults:
    """Check when an endpoint is left out."""
    if outlier is None:
        return
    if outlier.consecutive_errors:
        problem = "it is deprecated; use consecutiveGatewayErrors or consecutive5xxErrors"
        yield Fault(f"{at}.consecutiveErrors", problem, warning=True)
    if outlier.consecutive_local_origin_failures and not outlier.split_external_local_origin_errors:
        problem = "it needs splitExternalLocalOriginErrors: true"
        yield Fault(f"{at}.consecutiveLocalOriginFailures", problem)
    for name, field in (("interval", "interval"), ("base_ejection_time", "baseEjectionTime")):
        yield from fault(f"{at}.{field}", syntax.duration(getattr(outlier, f"{name}_ns")))
    for name, field in (
        ("max_ejection_percent", "maxEjectionPercent"),
        ("min_health_percent", "minHealthPercent"),
    ):
        yield from fault(f"{at}.{field}", syntax.percent(getattr(outlier, name)))


def connection_pool(pool: ConnectionPoolSettings | None, at: str) -> Faults:
    """Check the limits of connections and requests."""
    if pool is None:
        return
    if pool.http is None and pool.tcp is None:
        yield Fault(at, "an empty pool means nothing")
    if pool.http is not None:
        yield from _http(pool.http, f"{at}.http")
    if pool.tcp is not None:
        yield from _tcp(pool.tcp, f"{at}.tcp")


def _http(http: ConnectionPoolHTTP, at: str) -> Faults:
    for name, field in (
        ("http1_max_pending_requests", "http1MaxPendingRequests"),
        ("http2_max_requests", "http2MaxRequests"),
        ("max_requests_per_connection", "maxRequestsPerConnection"),
        ("max_retries", "maxRetries"),
        ("max_concurrent_streams", "maxConcurrentStreams"),
    ):
        if getattr(http, name) < 0:
            yield Fault(f"{at}.{field}", "it is not negative")
    yield from fault(f"{at}.idleTimeout", syntax.duration(http.idle_timeout_ns))
    if http.h2_upgrade_policy == "UPGRADE" and http.use_client_protocol:
        yield Fault(f"{at}.useClientProtocol", "it does not go with h2UpgradePolicy: UPGRADE")
    if http.http2_keep_alive is not None:
        place = f"{at}.http2KeepAlive"
        yield from fault(f"{place}.interval", syntax.duration(http.http2_keep_alive.interval_ns))
        yield from fault(f"{place}.timeout", syntax.duration(http.http2_keep_alive.timeout_ns))


def _tcp(tcp: ConnectionPoolTCP, at: str) -> Faults:
    if tcp.max_connections < 0:
        yield Fault(f"{at}.maxConnections", "it is not negative")
    yield from fault(f"{at}.connectTimeout", syntax.duration(tcp.connect_timeout_ns))
    lasting = syntax.duration(tcp.max_connection_duration_ns)
    yield from fault(f"{at}.maxConnectionDuration", lasting)
    # 0s switches the time-out off.
    yield from fault(f"{at}.idleTimeout", syntax.duration(tcp.idle_timeout_ns or None))
    if tcp.tcp_keepalive is not None:
        place = f"{at}.tcpKeepalive"
        yield from fault(f"{place}.time", syntax.duration(tcp.tcp_keepalive.time_ns))
        yield from fault(f"{place}.interval", syntax.duration(tcp.tcp_keepalive.interval_ns))


def load_balancer(
    settings: LoadBalancerSettings | None, outlier: OutlierDetection | None, at: str
) -> Faults:
    """Check how an endpoint is chosen."""
    if settings is None:
        return
    if settings.consistent_hash is not None:
        yield from _hash(settings.consistent_hash, f"{at}.consistentHash")
    if settings.locality_lb_setting is not None and settings.zone_aware_lb_setting is not None:
        yield Fault(f"{at}.zoneAwareLbSetting", "it does not go with localityLbSetting")
    yield from locality(settings.locality_lb_setting, outlier, f"{at}.localityLbSetting")
    yield from zone_aware(settings.zone_aware_lb_setting, outlier, f"{at}.zoneAwareLbSetting")
    warmup = settings.warmup
    if warmup is not None:
        yield from fault(f"{at}.warmup.duration", syntax.duration(warmup.duration_ns))
        if warmup.aggression is not None and warmup.aggression < 1:
            yield Fault(f"{at}.warmup.aggression", "it is 1 or more")


def _hash(hashed: ConsistentHash, at: str) -> Faults:
    cookie = hashed.http_cookie
    if cookie is not None:
        if not cookie.name:
            yield Fault(f"{at}.httpCookie.name", "the cookie needs a name")
        for index, each in enumerate(cookie.attributes):
            if not each.name:
                yield Fault(f"{at}.httpCookie.attributes[{index}].name", "it needs a name")
    if hashed.minimum_ring_size:
        place = f"{at}.minimumRingSize"
        yield Fault(place, "it is deprecated; use ringHash", warning=True)
        if hashed.ring_hash is not None or hashed.maglev is not None:
            yield Fault(place, "it does not go with ringHash or maglev")
    if hashed.maglev is not None:
        size = hashed.maglev.table_size
        if size >= _LARGEST_TABLE or not _is_prime(size):
            yield Fault(
                f"{at}.maglev.tableSize", f"it is a prime number below {_LARGEST_TABLE}, not {size}"
            )


def _is_prime(number: int) -> bool:
    if 0 < number < 4:
        return True
    return number % 2 == 1 and all(number % odd for odd in range(3, isqrt(number) + 1, 2))


def _tunnel(tunnel: Tunnel, at: str) -> Faults:
    if tunnel.protocol not in _TUNNELS:
        yield Fault(f"{at}.protocol", "it is CONNECT or POST")
    if syntax.domain(tunnel.target_host) and not syntax.is_address(tunnel.target_host):
        yield from fault(f"{at}.targetHost", syntax.domain(tunnel.target_host))
    yield from fault(f"{at}.targetPort", syntax.port(tunnel.target_port))
