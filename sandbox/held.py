"""What a running Envoy holds, asked of its admin interface.

Models    envoy.admin.v3.ConfigDump, Clusters
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.drivers.admin import ask
from simulator.envoy_api import Resources, parse

_FIELDS = {
    "listener": ("listeners", "envoy.config.listener.v3.Listener"),
    "route_config": ("routes", "envoy.config.route.v3.RouteConfiguration"),
    "cluster": ("clusters", "envoy.config.cluster.v3.Cluster"),
    "endpoint_config": ("endpoints", "envoy.config.endpoint.v3.ClusterLoadAssignment"),
    "secret": ("secrets", "envoy.extensions.transport_sockets.tls.v3.Secret"),
}
"""By the field of a dump's entry that holds a resource, its kind and message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The resources that are in force, and the endpoints that outlier detection has taken out."""

    resources: Resources
    ejected: frozenset[tuple[str, str]]
    """Of each the cluster and ADDRESS:PORT."""


def dump(admin_socket: Path) -> dict[str, Any]:
    """Return, as JSON values, what an Envoy says of itself. Raises OSError if it does not."""
    asked = {"config": "/config_dump?include_eds", "clusters": "/clusters?format=json"}
    return {name: json.loads(ask(admin_socket, target)[1]) for name, target in asked.items()}


def held(dumped: dict[str, Any]) -> Held:
    """Return what a dump tells, sorted by name."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind, _ in _FIELDS.values()}
    for kind, one in _resources(dumped["config"]["configs"]):
        found[kind].setdefault(one.cluster_name if kind == "endpoints" else one.name, one)
    kept = {kind: tuple(each[name] for name in sorted(each)) for kind, each in found.items()}
    return Held(resources=Resources(**kept), ejected=frozenset(_ejected(dumped["clusters"])))


def _resources(sections: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for section in sections:
        for entries in section.values():
            for entry in entries if isinstance(entries, list) else ():
                # Listeners that warm up or drain are not in force.
                state = entry.get("active_state", entry)
                for field, (kind, message) in _FIELDS.items():
                    if field in state:
                        value = {key: each for key, each in state[field].items() if key != "@type"}
                        yield kind, parse(value, message)


def _ejected(clusters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for cluster in clusters.get("cluster_statuses", ()):
        for host in cluster.get("host_statuses", ()):
            place = host["address"].get("socket_address")
            if place is not None and host.get("health_status", {}).get("failed_outlier_check"):
                yield cluster["name"], f"{place['address']}:{place['port_value']}"
