"""The endpoints of a proxy as `istioctl proxy-config endpoints` shows them.

Follows   istio istioctl/pkg/writer/envoy/clusters/clusters.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.envoy_api import Resources, message
from simulator.istiod.istioctl.table import Table


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Endpoint:
    """One address of one cluster."""

    address: str
    port: int
    cluster: str
    status: str
    ejected: bool = False
    """Whether outlier detection has taken it out."""

    @property
    def place(self) -> str:
        """Return ADDRESS:PORT, or what there is of it."""
        return f"{self.address}:{self.port}" if self.port else self.address


def endpoints(resources: Resources, ejected: frozenset[tuple[str, str]]) -> Iterator[Endpoint]:
    """Yield the endpoints of all clusters; `ejected` names (cluster, ADDRESS:PORT)."""
    assigned = {each.name: each.load_assignment for each in resources.clusters}
    assigned |= {each.cluster_name: each for each in resources.endpoints}
    kinds = message("envoy.config.endpoint.v3.LbEndpoint").DESCRIPTOR.fields_by_name
    for cluster, assignment in assigned.items():
        for locality in assignment.endpoints:
            for each in locality.lb_endpoints:
                health = kinds["health_status"].enum_type.values_by_number[each.health_status].name
                address, port = _place(each.endpoint.address)
                yield Endpoint(
                    address=address,
                    port=port,
                    cluster=cluster,
                    # Nothing bad is known: Envoy's admin interface then says so.
                    status="HEALTHY" if health == "UNKNOWN" else health,
                    ejected=(cluster, f"{address}:{port}") in ejected,
                )


def _place(address: Any) -> tuple[str, int]:  # noqa: ANN401 - made at run time
    how = address.WhichOneof("address")
    if how == "pipe":
        return f"unix://{address.pipe.path}", 0
    if how == "envoy_internal_address":
        internal = address.envoy_internal_address
        return f"envoy://{internal.server_listener_name}/{internal.endpoint_id}", 0
    return address.socket_address.address, address.socket_address.port_value


def select(
    found: Iterable[Endpoint],
    *,
    address: str = "",
    port: int = 0,
    cluster: str = "",
    status: str = "",
) -> tuple[Endpoint, ...]:
    """Return those that are asked for, by address."""
    chosen = (
        each
        for each in found
        if (not address or address.lower() == each.address.lower())
        and (not port or port == each.port)
        and (not cluster or cluster.lower() == each.cluster.lower())
        and (not status or status.lower() == each.status.lower())
    )
    return tuple(sorted(chosen))


def table(found: Iterable[Endpoint]) -> Table:
    """Return a row for each."""
    rows = tuple(
        (each.place, each.status, "FAILED" if each.ejected else "OK", each.cluster)
        for each in found
    )
    return Table(columns=("ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"), rows=rows)
