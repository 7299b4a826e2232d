"""Istio's own expectations of a sidecar's virtual hosts, one port at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from simulator.istiod.routes import sidecar_routes
from simulator.istiod.scope import scope
from tests.conformance.adapters.istio_proxy import mesh_and_pod
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield one case an expectation."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one['id']}", data=one, check=partial(_check, one))


def _check(one: dict[str, Any]) -> str | None:
    mesh, pod = mesh_and_pod(one["config"], one["proxy"])
    hosts = sidecar_routes(scope(mesh, pod), int(one["route_config"])).value["virtual_hosts"]
    # The name without its port, as the expectations have it.
    seen = {each["name"].partition(":")[0]: list(_clusters(each)) for each in hosts}
    for host, clusters in one["expect_virtual_hosts"].items():
        if seen.get(host) != clusters:
            return f"{host}: expected {clusters}, got {seen.get(host)}"
    return None


def _clusters(host: dict[str, Any]) -> Iterator[str]:
    for route in host["routes"]:
        action = route.get("route", {})
        if "cluster" in action:
            yield action["cluster"]
        for each in action.get("weighted_clusters", {}).get("clusters", ()):
            yield each["name"]
