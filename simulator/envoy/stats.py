"""What a proxy counts, under Envoy's names: requests, answers, retries, connections.

Counters are made from what is known of each request when it has ended, gauges from what
the proxy holds at the moment.

Follows   envoy/source/common/http/{codes,conn_manager_config}.cc, source/common/router/{router.cc,
          router.h,retry_state_impl.cc}, source/common/upstream/upstream_impl.cc
Leaves    bytes, connections' ends, histograms, names of filters (docs/fidelity.md#stats)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulator.envoy.cluster import Cluster, Health
from simulator.envoy.format_commands import End, Facts
from simulator.envoy.grpc import is_grpc
from simulator.envoy.header_map import first
from simulator.envoy.listener import Listener
from simulator.envoy.outlier import Result
from simulator.envoy.proxy import Proxy
from simulator.envoy.upstream import Upstream

_TIMED_OUT = {"response_timeout", "upstream_per_try_timeout"}
_CHECKS = ("attempt", "success", "failure", "passive_failure", "network_failure")
_BREAKERS = (
    ("cx_open", "connections", "max_connections"),
    ("rq_open", "requests", "max_requests"),
    ("rq_pending_open", "pending", "max_pending_requests"),
    ("rq_retry_open", "retries", "max_retries"),
)


@dataclass(slots=True)
class HostCounts:
    """What a proxy has counted of one host."""

    total: int = 0
    success: int = 0
    error: int = 0
    timeout: int = 0
    connect_fail: int = 0


class Stats:
    """The counters of one proxy."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.hosts: dict[tuple[str, str], HostCounts] = {}
        """By cluster and `ip:port`."""

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        if count:
            self.counters[name] = self.counters.get(name, 0) + count

    def connection(self, listener: Listener) -> None:
        """Count a connection."""
        self.add(f"{scope(listener)}.downstream_cx_total")

    def carried(self, listener: Listener, prefix: str, facts: Facts) -> None:
        """Count a connection that has ended, of the TCP proxy `prefix`."""
        self.connection(listener)
        self.add(f"tcp.{prefix}.downstream_cx_total")
        flags = facts.end.flags if facts.end is not None else ()
        self.add(f"tcp.{prefix}.downstream_cx_no_route", "NC" in flags)

    def request(self, listener: Listener, prefix: str, facts: Facts) -> None:
        """Count an HTTP request that has ended, of the connection manager `prefix`."""
        end = facts.end
        assert end is not None, "it has ended"
        http, local = f"http.{prefix}", f"{scope(listener)}.http.{prefix}"
        self.connection(listener)
        for name in ("cx_total", "cx_http1_total", "rq_total", "rq_http1_total"):
            self.add(f"{http}.downstream_{name}")
        if facts.status and not facts.info.health_check:
            for place in (http, local):
                self.add(f"{place}.downstream_rq_{facts.status // 100}xx")
                self.add(f"{place}.downstream_rq_completed")
        if end.details == "cluster_not_found":
            self.add(f"{http}.no_cluster")
        elif "NR" in end.flags:
            self.add(f"{http}.no_route")
        elif end.details == "direct_response":
            self.add(f"{http}.{'rq_redirect' if end.redirected else 'rq_direct_response'}")
        self.add(f"{http}.rq_total", end.routed)
        self.sent(facts)

    def sent(self, facts: Facts) -> None:
        """Count what the router did for a request that has ended."""
        end = facts.end
        assert end is not None, "it has ended"
        if end.cluster is None or not end.attempts:
            return
        place = f"cluster.{named(end.cluster)}"
        places = [place]
        if end.counted_as:
            places.append(f"vhost.{_clean(end.virtual_host)}.vcluster.{_clean(end.counted_as)}")
        self._attempts(place, facts, end)
        internal = facts.request.first("x-envoy-internal") == "true"
        self._retries(places, end)
        status = _charged(facts, end)
        if not facts.info.health_check:
            for one in (*places, f"{place}.{'internal' if internal else 'external'}"):
                self._code(one, status)
        for one in places:
            self.add(f"{one}.upstream_rq_timeout", end.details == "response_timeout")
            self.add(f"{one}.upstream_rq_total", sum(each.connected for each in end.tried))
        self.add(f"{place}.upstream_cx_none_healthy", end.details == "no_healthy_upstream")
        overflown = "UO" in end.flags and "overflow" in end.details
        self.add(f"{place}.upstream_rq_pending_overflow", overflown)

    def _attempts(self, place: str, facts: Facts, end: End) -> None:
        timed_out = 0
        said = first(facts.response_headers, "grpc-status") if is_grpc(facts.request) else None
        refused = end.details == "via_upstream" and said not in (None, "0")
        for each in end.tried:
            counts = self.hosts.setdefault((each.cluster, each.host), HostCounts())
            counts.total += each.connected
            failed = each.status is None or each.status >= 500 or not each.connected
            failed |= refused and each is end.tried[-1]
            counts.error += failed
            counts.success += not failed
            counts.connect_fail += not each.connected
            counts.timeout += each.result is Result.TIMED_OUT
            timed_out += each.result is Result.TIMED_OUT
            self.add(f"{place}.upstream_cx_connect_fail", not each.connected)
        per_try = timed_out - (end.details == "response_timeout")
        self.add(f"{place}.upstream_rq_per_try_timeout", max(per_try, 0))

    def _retries(self, places: list[str], end: End) -> None:
        again = end.attempts - 1
        last = end.tried[-1] if end.tried else None
        well = again and end.details == "via_upstream" and "URX" not in end.flags
        for one in places:
            self.add(f"{one}.upstream_rq_retry", again)
            self.add(f"{one}.upstream_rq_retry_success", bool(well))
            self.add(f"{one}.upstream_rq_retry_limit_exceeded", "URX" in end.flags)
        self.add(f"{places[0]}.upstream_rq_retry_backoff_exponential", again)
        for each in end.tried:
            if each is not last and each.result is Result.ANSWERED and each.status is not None:
                self._code(f"{places[0]}.retry", each.status)

    def _code(self, place: str, status: int) -> None:
        for name in (status, f"{status // 100}xx", "completed"):
            self.add(f"{place}.upstream_rq_{name}")


def _charged(facts: Facts, end: End) -> int:
    """Return the status that an answer counts as; of gRPC answers of the proxy's own, HTTP's."""
    if end.details == "via_upstream" or not is_grpc(facts.request):
        return facts.status or 0
    return 504 if end.details in _TIMED_OUT else 503


def scope(listener: Listener) -> str:
    """Return the beginning of a listener's names."""
    where = listener.stat_prefix or f"{listener.address}_{listener.port}"
    return f"listener.{_clean(where)}"


def named(cluster: Cluster) -> str:
    """Return the name under which a cluster is counted."""
    return _clean(cluster.alt_stat_name or cluster.name)


def _clean(name: str) -> str:
    """Return a name without what statistics do not have in names."""
    return name.replace(":", "_").replace("\0", "_")


def gauges(proxy: Proxy) -> Iterator[tuple[str, int]]:
    """Yield what a proxy holds at the moment."""
    for upstream in proxy.upstreams.values():
        yield from _cluster(upstream)
    listeners = len(proxy.config.listeners)
    yield "cluster_manager.active_clusters", len(proxy.upstreams)
    yield "cluster_manager.warming_clusters", 0
    yield "listener_manager.total_listeners_active", listeners
    yield "listener_manager.total_listeners_draining", 0
    yield "listener_manager.total_listeners_warming", 0
    yield "server.live", 1
    yield "server.state", 0


def counted(proxy: Proxy) -> Iterator[tuple[str, int]]:
    """Yield the counters that the proxy itself keeps; its configuration was taken once."""
    for upstream in proxy.upstreams.values():
        place = f"cluster.{named(upstream.cluster)}"
        opened = sum(host.opened for host in upstream.hosts.values())
        yield f"{place}.upstream_cx_total", opened
        if upstream.health is not None:
            for name in _CHECKS:
                yield f"{place}.health_check.{name}", getattr(upstream.health.counts, name)
        yield f"{place}.upstream_cx_http{1 + upstream.cluster.http2}_total", opened
    yield "cluster_manager.cluster_added", len(proxy.upstreams)
    yield "listener_manager.listener_added", len(proxy.config.listeners)
    yield "listener_manager.listener_create_success", len(proxy.config.listeners)


def _cluster(upstream: Upstream) -> Iterator[tuple[str, int]]:
    place = f"cluster.{named(upstream.cluster)}"
    hosts = list(upstream.hosts.values())
    yield f"{place}.membership_total", len(hosts)
    for name, health in (("healthy", Health.HEALTHY), ("degraded", Health.DEGRADED)):
        yield f"{place}.membership_{name}", sum(host.health is health for host in hosts)
    yield f"{place}.membership_excluded", sum(not host.counts for host in hosts)
    yield f"{place}.upstream_rq_active", sum(host.active for host in hosts)
    pending = connections = 0
    for priority in ("default", "high"):
        resources = upstream.resources(priority.upper())
        pending += resources.pending
        connections += resources.connections
        for name, count, limit in _BREAKERS:
            full = getattr(resources, count) >= getattr(resources.limits, limit)
            yield f"{place}.circuit_breakers.{priority}.{name}", int(full)
    yield f"{place}.upstream_rq_pending_active", pending
    yield f"{place}.upstream_cx_active", connections
    if upstream.health is not None:
        checked = [host for host in hosts if upstream.health.knows(host)]
        well = sum(not host.failed for host in checked)
        yield f"{place}.health_check.healthy", well
        yield f"{place}.health_check.degraded", sum(host.degraded for host in checked)
    if upstream.cluster.outlier_detection is not None:
        ejected = sum(bool(host.ejected) for host in hosts)
        yield f"{place}.outlier_detection.ejections_active", ejected
