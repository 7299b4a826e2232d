"""The proxy's side of an xDS stream: what it asks for, takes, refuses, and has ready.

`Client` is told each response and answers with the requests that go back: an ACK or a
NACK, and new subscriptions. `resources` is what is in force, `config` the same compiled.

A cluster whose endpoints have not come and a listener whose routes have not come are
warming: the one before stays in force. Routes are in force at once, whatever they name.

Models    envoy.service.discovery.v3.DiscoveryRequest (state of the world)
Follows   envoy/source/common/config/grpc_mux_impl.cc, source/common/upstream/cds_api_helper.cc,
          source/common/upstream/cluster_manager_impl.cc (warming),
          source/common/listener_manager/lds_api.cc, listener_manager_impl.cc
Leaves    secrets, initial_fetch_timeout, draining of listeners (docs/fidelity.md#xds-client)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.envoy.compile import (
    Config,
    compile,  # noqa: A004 - named in the architecture
    compile_cluster,
    compile_listener,
    compile_route_table,
)
from simulator.envoy.rejected import Rejected
from simulator.envoy_api import Resources, message
from simulator.envoy_api.discovery import TYPE_URLS, Request, Response, resource_name

_EDS = 3
"""`envoy.config.cluster.v3.Cluster.DiscoveryType`"""


@dataclass(slots=True)
class _Subscription:
    names: tuple[str, ...] = ()
    version: str = ""
    """Of the last response that was taken."""
    nonce: str = ""


class Client:
    """One proxy's xDS client, over one stream at a time."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, _Subscription] = {}
        self._clusters: dict[str, Any] = {}
        self._warming_clusters: dict[str, Any] = {}
        self._listeners: dict[str, Any] = {}
        self._warming_listeners: dict[str, Any] = {}
        self._endpoints: dict[str, Any] = {}
        self._routes: dict[str, Any] = {}

    @property
    def resources(self) -> Resources:
        """Return what is in force."""
        return Resources(
            listeners=_sorted(self._listeners),
            routes=_sorted(self._routes),
            clusters=_sorted(self._clusters),
            endpoints=_sorted(self._endpoints),
        )

    @property
    def config(self) -> Config:
        """Return what is in force, compiled."""
        return compile(self.resources)

    @property
    def warming(self) -> tuple[str, ...]:
        """Return the names of the clusters and listeners that wait for what they need."""
        return (*self._warming_clusters, *self._warming_listeners)

    def connect(self) -> tuple[Request, ...]:
        """Return what opens a stream, the first or another: what it holds is in force until then.

        A stream knows nothing of the one before: it is told all names again, and no nonce.
        """
        for kind in ("clusters", "listeners"):
            self._subscriptions.setdefault(kind, _Subscription())
        found = []
        for kind in TYPE_URLS:
            subscription = self._subscriptions.get(kind)
            if subscription is not None:
                subscription.nonce = ""
                found.append(self._request(kind))
        return tuple(found)

    def on_response(self, response: Response) -> tuple[Request, ...]:
        """Take a response; return its ACK or NACK, and what else is now asked for.

        A resource that is refused stays as it was; the others of its response are taken.
        """
        kind = response.kind
        subscription = self._subscriptions.setdefault(kind, _Subscription())
        subscription.nonce = response.nonce
        reasons: list[str] = []
        given = {resource_name(kind, each): each for each in response.resources}
        again = _TAKE[kind](self, given, reasons) if kind in _TAKE else ()
        if not reasons:
            subscription.version = response.version
        error = "\n".join(reasons) if reasons else None
        return (self._request(kind, error), *(self._request(each) for each in again))

    def _request(self, kind: str, error: str | None = None) -> Request:
        known = self._subscriptions[kind]
        return Request(
            type_url=TYPE_URLS[kind],
            version=known.version,
            nonce=known.nonce,
            names=known.names,
            error=error,
        )

    def _take_clusters(self, given: dict[str, Any], reasons: list[str]) -> tuple[str, ...]:
        for name in [each for each in self._clusters if each not in given]:
            del self._clusters[name]
        self._warming_clusters = {
            name: one for name, one in self._warming_clusters.items() if name in given
        }
        warmed_anew = False
        for name, one in given.items():
            newest = self._warming_clusters.get(name, self._clusters.get(name))
            if newest == one or not _accepted(compile_cluster, one, name, reasons):
                continue
            if _assigned(one) is None:
                self._clusters[name] = one
            else:
                self._warming_clusters[name] = one
                warmed_anew = True
        wanted = {*self._assignments()}
        self._endpoints = {name: one for name, one in self._endpoints.items() if name in wanted}
        return self._subscribe("endpoints", wanted, anew=warmed_anew)

    def _take_endpoints(self, given: dict[str, Any], reasons: list[str]) -> tuple[str, ...]:
        for name, one in given.items():
            if _accepted(_assignment, one, name, reasons):
                self._endpoints[name] = one
        for name, cluster in list(self._warming_clusters.items()):
            if _assigned(cluster) in given:
                self._clusters[name] = self._warming_clusters.pop(name)
        return ()

    def _take_listeners(self, given: dict[str, Any], reasons: list[str]) -> tuple[str, ...]:
        for name in [each for each in self._listeners if each not in given]:
            del self._listeners[name]
        self._warming_listeners = {
            name: one for name, one in self._warming_listeners.items() if name in given
        }
        for name, one in given.items():
            newest = self._warming_listeners.get(name, self._listeners.get(name))
            if newest != one and _accepted(compile_listener, one, name, reasons):
                self._warming_listeners[name] = one
        self._warm_listeners()
        both = (*self._listeners.values(), *self._warming_listeners.values())
        wanted = {name for one in both for name in _route_names(one)}
        self._routes = {name: one for name, one in self._routes.items() if name in wanted}
        return self._subscribe("routes", wanted)

    def _take_routes(self, given: dict[str, Any], reasons: list[str]) -> tuple[str, ...]:
        for name, one in given.items():
            if _accepted(compile_route_table, one, name, reasons):
                self._routes[name] = one
        self._warm_listeners()
        return ()

    def _warm_listeners(self) -> None:
        for name, one in list(self._warming_listeners.items()):
            if all(each in self._routes for each in _route_names(one)):
                self._listeners[name] = self._warming_listeners.pop(name)

    def _assignments(self) -> Iterator[str]:
        for one in (*self._clusters.values(), *self._warming_clusters.values()):
            name = _assigned(one)
            if name is not None:
                yield name

    def _subscribe(self, kind: str, wanted: set[str], *, anew: bool = False) -> tuple[str, ...]:
        names = tuple(sorted(wanted))
        known = self._subscriptions.get(kind)
        if not names and known is None:
            return ()
        known = self._subscriptions.setdefault(kind, _Subscription())
        if known.names == names and not anew:
            return ()
        known.names = names
        return (kind,)


_TAKE = {
    "clusters": Client._take_clusters,  # noqa: SLF001
    "endpoints": Client._take_endpoints,  # noqa: SLF001
    "listeners": Client._take_listeners,  # noqa: SLF001
    "routes": Client._take_routes,  # noqa: SLF001
}


def _accepted(check: Any, one: Any, name: str, reasons: list[str]) -> bool:  # noqa: ANN401
    try:
        check(one)
    except Rejected as refused:
        reasons += [f"Error adding/updating {name}: {each}" for each in refused.reasons]
        return False
    return True


def _assigned(cluster: Any) -> str | None:  # noqa: ANN401 - protobuf
    """Return the assignment that a cluster waits for; None for one that needs none."""
    if cluster.type != _EDS or cluster.HasField("cluster_type"):
        return None
    return str(cluster.eds_cluster_config.service_name or cluster.name)


def _assignment(one: Any) -> None:  # noqa: ANN401 - protobuf
    """Raise Rejected for an assignment that no cluster takes."""
    any_cluster = message("envoy.config.cluster.v3.Cluster")
    compile_cluster(any_cluster(name=one.cluster_name, type=_EDS), one)


def _route_names(listener: Any) -> tuple[str, ...]:  # noqa: ANN401 - protobuf
    known = compile_listener(listener)
    chains = [each.chain for each in known.candidates] + [known.default_chain]
    found = (each.http.route_config_name for each in chains if each and each.http)
    return tuple(dict.fromkeys(name for name in found if name))


def _sorted(found: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(found[name] for name in sorted(found))
