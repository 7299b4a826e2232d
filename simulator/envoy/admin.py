"""What a proxy's administration interface answers, in Envoy's own forms.

Follows   envoy/source/server/admin/{admin,clusters_handler,listeners_handler,stats_handler,
          server_info_handler}.cc
Leaves    what changes a proxy, HTML, profiles (docs/fidelity.md#admin)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from simulator import envoy_api
from simulator.envoy.admin_config import BadQueryError, config_dump
from simulator.envoy.balance import Host
from simulator.envoy.match import BadRegexError, compiled
from simulator.envoy.prometheus import exposition
from simulator.envoy.proxy import Proxy
from simulator.envoy.stats import HostCounts, Stats, counted, gauges
from simulator.envoy.upstream import Upstream

_TEXT = "text/plain; charset=UTF-8"
_JSON = "application/json"
_KINDS = {"counter": "Counters", "gauge": "Gauges"}
_TYPES = ("All", *_KINDS.values(), "Histograms", "TextReadouts")
_SECOND = 1_000_000_000
_LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A proxy at a moment, and what was counted until then."""

    proxy: Proxy
    stats: Stats
    resources: envoy_api.Resources
    """What its configuration was made from."""
    dynamic: bool
    """Whether a control plane has sent them."""
    now_ns: int
    epoch_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer."""

    status: int
    type: str
    body: str


def page(view: View, path: str) -> Page:
    """Return what a GET of a path, with its query, gives."""
    parts = urlsplit(path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    make = _PAGES.get(parts.path.rstrip("/") or "/help")
    if make is None:
        known = "".join(f"  {name}\n" for name in sorted(_PAGES))
        return Page(status=404, type=_TEXT, body=f"invalid path. simulated are:\n{known}")
    try:
        return make(view, query)
    except BadQueryError as error:
        return Page(status=error.status, type=_TEXT, body=f"{error}")
    except BadRegexError as error:
        return Page(status=400, type=_TEXT, body=f"Invalid re2 regex: {error}\n")


def _text(body: str) -> Page:
    return Page(status=200, type=_TEXT, body=body)


def _json(value: Any) -> Page:  # noqa: ANN401 - a JSON value
    body = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    return Page(status=200, type=_JSON, body=body)


def _named(names: Iterable[str], query: Mapping[str, str]) -> Callable[[str], bool]:
    """Return what says whether a name is asked for."""
    pattern = query.get("filter", "")
    found = {name for name in names if not pattern or compiled(pattern).search(name)}
    return found.__contains__


def _values(view: View, query: Mapping[str, str]) -> list[tuple[str, int, str]]:
    """Return name, value and kind of all that is asked for, by name."""
    used = "usedonly" in query
    counters = {**dict(counted(view.proxy)), **view.stats.counters}
    found = [(name, value, "counter") for name, value in counters.items()]
    held = dict(gauges(view.proxy))
    held["server.uptime"] = view.now_ns // _SECOND
    found += [(name, value, "gauge") for name, value in held.items()]
    wanted = query.get("type", "All")
    if wanted not in _TYPES:
        raise BadQueryError("invalid &type= param", 400)
    asked = _named((name for name, _, _ in found), query)
    return sorted(
        (name, value, kind)
        for name, value, kind in found
        if asked(name)
        and wanted in ("All", _KINDS[kind])
        and (value or kind == "gauge" or not used)
    )


def _stats(view: View, query: Mapping[str, str]) -> Page:
    found = _values(view, query)
    match query.get("format", "text"):
        case "json":
            rows = [{"name": name, "value": value} for name, value, _ in found]
            return Page(
                status=200, type=_JSON, body=json.dumps({"stats": rows}, separators=(",", ":"))
            )
        case "prometheus":
            return _text(exposition(found))
        case "text":
            return _text("".join(f"{name}: {value}\n" for name, value, _ in found))
    message = "usage: /stats?format=(html|active-html|json|prometheus|text)"
    raise BadQueryError(message, 400)


def _prometheus(view: View, query: Mapping[str, str]) -> Page:
    return _text(exposition(_values(view, query)))


def _limits(upstream: Upstream) -> Iterable[tuple[str, str, int]]:
    for priority in ("default", "high"):
        limits = upstream.resources(priority.upper()).limits
        for name in _LIMITS:
            yield priority, name, getattr(limits, name)


def _host(host: Host, counts: HostCounts) -> list[tuple[str, Any]]:
    endpoint = host.endpoint
    region, zone, sub_zone = (*endpoint.locality.split("/"), "", "", "")[:3]
    return [
        ("cx_active", host.connections),
        ("cx_connect_fail", counts.connect_fail),
        ("cx_total", host.opened),
        ("rq_active", host.active),
        ("rq_error", counts.error),
        ("rq_pending_active", 0),
        ("rq_success", counts.success),
        ("rq_timeout", counts.timeout),
        ("rq_total", counts.total),
        ("hostname", endpoint.hostname),
        ("health_flags", _flags(host)),
        ("weight", endpoint.weight),
        ("region", region),
        ("zone", zone),
        ("sub_zone", sub_zone),
        ("canary", "false"),
        ("priority", endpoint.priority),
        ("success_rate", -1),
        ("local_origin_success_rate", -1),
    ]


def _flags(host: Host) -> str:
    """Return why a host is kept out."""
    found = {
        "/failed_active_hc": bool(host.failed),
        "/failed_outlier_check": bool(host.ejected),
        "/failed_eds_health": host.endpoint.health.value == "unhealthy"
        and not host.endpoint.draining,
        "/degraded_active_hc": host.degraded,
        "/degraded_eds_health": host.endpoint.health.value == "degraded",
        "/pending_dynamic_removal": host.leaving,
        "/pending_active_hc": host.pending,
        "/excluded_via_immediate_hc_fail": host.excluded,
        "/active_hc_timeout": host.timed_out,
        "/eds_status_draining": host.endpoint.draining,
    }
    return "".join(name for name, on in found.items() if on) or "healthy"


def _clusters(view: View, query: Mapping[str, str]) -> Page:
    asked = _named(view.proxy.upstreams, query)
    found = {name: one for name, one in view.proxy.upstreams.items() if asked(name)}
    if query.get("format") == "json":
        return _json({"cluster_statuses": [_cluster_status(view, one) for one in found.values()]})
    lines: list[str] = []
    for name, upstream in found.items():
        cluster = upstream.cluster
        lines.append(f"{name}::observability_name::{cluster.alt_stat_name or name}")
        for priority, limit, value in _limits(upstream):
            lines.append(f"{name}::{priority}_priority::{limit}::{value}")
        lines.append(f"{name}::added_via_api::{'true' if view.dynamic else 'false'}")
        if cluster.endpoints_kind == "endpoints":
            lines.append(f"{name}::eds_service_name::{cluster.endpoints_resource}")
        for host in upstream.hosts.values():
            key = host.endpoint.key
            counts = view.stats.hosts.get((name, key), HostCounts())
            lines += (f"{name}::{key}::{what}::{value}" for what, value in _host(host, counts))
    return _text("".join(f"{line}\n" for line in lines))


def _cluster_status(view: View, upstream: Upstream) -> dict[str, Any]:
    cluster = upstream.cluster
    breakers: list[dict[str, Any]] = [{}, {"priority": "HIGH"}]
    for priority, name, value in _limits(upstream):
        breakers[priority == "high"][name] = value
    status: dict[str, Any] = {"name": cluster.name}
    if view.dynamic:
        status["added_via_api"] = True
    hosts = [_host_status(view, cluster.name, host) for host in upstream.hosts.values()]
    if hosts:
        status["host_statuses"] = hosts
    status["circuit_breakers"] = {"thresholds": breakers}
    status["observability_name"] = cluster.alt_stat_name or cluster.name
    if cluster.endpoints_kind == "endpoints":
        status["eds_service_name"] = cluster.endpoints_resource
    return status


def _host_status(view: View, cluster: str, host: Host) -> dict[str, Any]:
    counts = view.stats.hosts.get((cluster, host.endpoint.key), HostCounts())
    known = dict(_host(host, counts))
    stats: list[dict[str, Any]] = []
    for kind, names in (
        ("COUNTER", ("cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout",
                     "rq_total")),
        ("GAUGE", ("cx_active", "rq_active", "rq_pending_active")),
    ):  # fmt: skip
        for name in names:
            value = {"value": str(known[name])} if known[name] else {}
            stats.append({**({"type": kind} if kind == "GAUGE" else {}), **value, "name": name})
    health: dict[str, Any] = {
        flag: True
        for flag, on in (
            ("failed_active_health_check", bool(host.failed)),
            ("failed_outlier_check", bool(host.ejected)),
            ("failed_active_degraded_check", host.degraded),
            ("pending_dynamic_removal", host.leaving),
            ("pending_active_hc", host.pending),
            ("excluded_via_immediate_hc_fail", host.excluded),
            ("active_hc_timeout", host.timed_out),
        )
        if on
    }
    eds = "draining" if host.endpoint.draining else host.endpoint.health.value
    health["eds_health_status"] = eds.upper()
    locality = {name: known[name] for name in ("region", "zone", "sub_zone") if known[name]}
    status = {
        "address": {
            "socket_address": {"address": host.endpoint.address, "port_value": host.endpoint.port}
        },
        "stats": stats,
        "health_status": health,
        "weight": host.endpoint.weight,
        "hostname": host.endpoint.hostname,
        "priority": host.endpoint.priority,
        "locality": locality,
    }
    return {name: value for name, value in status.items() if value or name == "locality"}


def _listeners(view: View, query: Mapping[str, str]) -> Page:
    listeners = view.proxy.config.listeners.values()
    if query.get("format") == "json":
        rows = [
            {
                "name": one.name,
                "local_address": {
                    "socket_address": {"address": one.address, "port_value": one.port}
                },
            }
            for one in listeners
        ]
        return _json({"listener_statuses": rows})
    return _text("".join(f"{one.name}::{one.address}:{one.port}\n" for one in listeners))


def _config(view: View, query: Mapping[str, str]) -> Page:
    upstreams = view.proxy.upstreams.values()
    dumped = config_dump(
        view.resources, upstreams, query, dynamic=view.dynamic, updated_ns=view.epoch_ns
    )
    return _json(dumped)


def _ready(_: View, __: Mapping[str, str]) -> Page:
    return _text("LIVE\n")


def _server_info(view: View, _: Mapping[str, str]) -> Page:
    uptime = f"{view.now_ns // _SECOND}s"
    name = re.sub(r"[^A-Za-z0-9.-]", "_", view.proxy.name)
    return _json(
        {
            "version": "simulator/1.40.0/Clean/RELEASE/none",
            "state": "LIVE",
            "uptime_current_epoch": uptime,
            "uptime_all_epochs": uptime,
            "hot_restart_version": "disabled",
            "node": {"id": name, "user_agent_name": "envoy"},
        }
    )


def _help(_: View, __: Mapping[str, str]) -> Page:
    return _text("".join(f"  {name}\n" for name in sorted(_PAGES)))


_PAGES: Mapping[str, Callable[[View, Mapping[str, str]], Page]] = {
    "/stats": _stats,
    "/stats/prometheus": _prometheus,
    "/clusters": _clusters,
    "/listeners": _listeners,
    "/config_dump": _config,
    "/ready": _ready,
    "/server_info": _server_info,
    "/help": _help,
}
"""What is made for each path."""
