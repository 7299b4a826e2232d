"""Make runtime objects of xDS resources, once per content.

`compile(resources)` gives a `Config`. Equal resources share one object, so that a
thousand proxies with the same cluster hold it once. What Envoy would refuse raises
`Rejected`; what it accepts and the simulator does not model is in `Config.diagnostics`.

Follows   envoy/source/common/router/config_impl.cc, source/common/listener_manager/listener_impl.cc
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from simulator.diagnostics import Diagnostic
from simulator.envoy.cluster import Cluster
from simulator.envoy.compile.clusters import cluster
from simulator.envoy.compile.listeners import listener
from simulator.envoy.compile.routes import route_table
from simulator.envoy.listener import Listener
from simulator.envoy.rejected import Rejected, Scope
from simulator.envoy.route_table import RouteTable
from simulator.envoy_api import Resources, message
from simulator.envoy_api.constraints import violations
from simulator.observe.explain import FieldRef

__all__ = [
    "Config",
    "Rejected",
    "compile",
    "compile_cluster",
    "compile_listener",
    "compile_route_table",
]

T = TypeVar("T")
_CACHED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that one proxy was told, ready to run."""

    listeners: Mapping[str, Listener]
    routes: Mapping[str, RouteTable]
    clusters: Mapping[str, Cluster]
    listening: Mapping[tuple[str, int], Listener]
    """The listeners by address and port."""
    secrets: frozenset[str] = frozenset()
    """The names of the certificates and authorities that it was given."""
    local_cluster: str = ""
    """The cluster that the proxy belongs to; empty: it knows of none."""
    locality: str | None = None
    """Where the proxy is: `region/zone/subzone`."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """What is accepted but not simulated, each finding once."""


def compile(resources: Resources) -> Config:  # noqa: A001 - named in the architecture
    """Return what one proxy's resources amount to.

    Raises Rejected with every resource's reason.
    """
    reasons: list[str] = []
    listeners = _all(resources.listeners, compile_listener, reasons)
    routes = _all(resources.routes, compile_route_table, reasons)
    assignments = {one.cluster_name: one for one in resources.endpoints}
    clusters = _all(
        resources.clusters,
        lambda one: compile_cluster(
            one, assignments.get(one.eds_cluster_config.service_name or one.name)
        ),
        reasons,
    )
    if reasons:
        raise Rejected(*reasons)
    found = [
        diagnostic
        for table in (listeners, routes, clusters)
        for one in table.values()
        for diagnostic in one.diagnostics
    ]
    return Config(
        listeners=listeners,
        routes=routes,
        clusters=clusters,
        listening={(one.address, one.port): one for one in listeners.values()},
        secrets=frozenset(str(one.name) for one in resources.secrets),
        diagnostics=tuple(dict.fromkeys(found)),
    )


def _all(messages: tuple[Any, ...], one: Callable[[Any], T], reasons: list[str]) -> dict[str, T]:
    compiled: dict[str, T] = {}
    for each in messages:
        try:
            compiled[each.name] = one(each)
        except Rejected as refused:
            reasons += refused.reasons
    return compiled


def compile_listener(one: Any) -> Listener:  # noqa: ANN401 - protobuf
    """Return what a Listener says; equal ones give the same object."""
    return _listener(one.SerializeToString(deterministic=True))


def compile_route_table(one: Any) -> RouteTable:  # noqa: ANN401 - protobuf
    """Return what a RouteConfiguration says; equal ones give the same object."""
    return _routes(one.SerializeToString(deterministic=True))


def compile_cluster(one: Any, assignment: Any | None = None) -> Cluster:  # noqa: ANN401
    """Return what a Cluster says, with the ClusterLoadAssignment of an EDS cluster."""
    return _cluster_of(
        one.SerializeToString(deterministic=True),
        None if assignment is None else assignment.SerializeToString(deterministic=True),
    )


@lru_cache(maxsize=_CACHED)
def _listener(content: bytes) -> Listener:
    one = _checked(message("envoy.config.listener.v3.Listener").FromString(content))
    return listener(one, Scope("listeners", one.name))


@lru_cache(maxsize=_CACHED)
def _routes(content: bytes) -> RouteTable:
    one = _checked(message("envoy.config.route.v3.RouteConfiguration").FromString(content))
    return route_table(one, Scope("routes", one.name))


@lru_cache(maxsize=_CACHED)
def _cluster_of(content: bytes, assignment: bytes | None) -> Cluster:
    one = _checked(message("envoy.config.cluster.v3.Cluster").FromString(content))
    kind = message("envoy.config.endpoint.v3.ClusterLoadAssignment")
    endpoints = None if assignment is None else _checked(kind.FromString(assignment))
    return cluster(one, endpoints, Scope("clusters", one.name))


def _checked(one: Any) -> Any:  # noqa: ANN401 - protobuf
    """Return the message, unless it breaks a rule of its schema."""
    broken = next(violations(one), None)
    if broken is None:
        return one
    kinds = {"Listener": "listeners", "RouteConfiguration": "routes", "Cluster": "clusters"}
    kind = kinds.get(one.DESCRIPTOR.name, "endpoints")
    raise Rejected(broken.reason, field=FieldRef(kind, getattr(one, "name", ""), broken.path))
