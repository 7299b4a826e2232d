"""Istio's own expectations of a sidecar's inbound clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from simulator.istiod.clusters import inbound_clusters
from simulator.istiod.inbound import inbound_ports
from simulator.istiod.protocol import parse
from simulator.istiod.registry import Endpoint, Port, Service
from simulator.istiod.scope import scope
from tests.conformance.adapters.istio_proxy import mesh_and_pod
from tests.conformance.table import Case, Table


def cases(table: Table) -> Iterator[Case]:
    """Yield one case an expectation."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one['id']}", data=one, check=partial(_check, one))


def _check(one: dict[str, Any]) -> str | None:
    mesh, pod = mesh_and_pod(one["config"], one["proxy"])
    services = tuple(
        sorted(
            (_service(each, one["instances"]) for each in one["services"]),
            key=lambda each: each.hostname,
        )
    )
    view = scope(replace(mesh, registered=services), pod)
    got = {
        each.value["name"]: _facts(each.value)
        for each in inbound_clusters(view, inbound_ports(view))
    }
    want = one["expect_inbound_clusters"]
    return None if got == want else f"expected {want}, got {got}"


def _service(one: dict[str, Any], instances: list[dict[str, Any]]) -> Service:
    numbers = {each["port"]: each["name"] for each in one["ports"]}
    return Service(
        hostname=one["hostname"],
        name=one["hostname"].partition(".")[0],
        namespace=one.get("namespace", ""),
        ip=one["vip"],
        ports=tuple(
            Port(
                name=each["name"],
                number=each["port"],
                target_port=each["port"],
                protocol=parse(each["protocol"]),
            )
            for each in one["ports"]
        ),
        kubernetes=False,
        endpoints=tuple(
            Endpoint(
                address=address,
                port=each["endpoint_port"],
                port_name=numbers[each["service_port"]],
            )
            for each in instances
            if each["hostname"] == one["hostname"]
            for address in each["endpoint_addresses"]
        ),
    )


def _facts(cluster: dict[str, Any]) -> dict[str, Any]:
    endpoints = [
        "{address}:{port_value}".format(**each["endpoint"]["address"]["socket_address"])
        for group in cluster.get("load_assignment", {}).get("endpoints", ())
        for each in group["lb_endpoints"]
    ]
    struct = cluster["metadata"]["filter_metadata"]["istio"]
    services = [each["host"] for each in struct["services"]] if "services" in struct else []
    return {"static_endpoints": endpoints or None, "telemetry_services": services or None}
