"""Who calls whom: a graph of workloads, from what a run saw or a scenario plans."""

from __future__ import annotations

from typing import Any

import networkx as nx

from simulator.engine.resolve import OUTSIDE, resolve
from simulator.engine.summary import Edge
from simulator.envoy.compile import Config
from simulator.istiod.registry import Mesh, Pod
from simulator.scenario import Run, Scenario


def seen(run: Run) -> nx.DiGraph[str]:
    """Return the graph of a run: an edge where requests went, with its figures.

    Nodes have `label`, `kind` (`client`, `gateway`, `workload`) and `version`; edges
    `services` (sorted), `requests`, `rate` (a second), `success_share`, `p50_ns`, `p99_ns`.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    kinds = {"": "workload"} | dict.fromkeys(run.clients, "client")
    for edge in run.summary.edges:
        kind = kinds.get(edge.source, "workload") if not edge.service else "workload"
        _node(graph, edge.source, kind=kind)
        _node(graph, edge.destination, version=edge.version)
        _merge(graph, edge)
    for name, data in graph.nodes(data=True):
        if data["kind"] == "workload" and _is_entry(graph, name, run):
            data["kind"] = "gateway"
    return graph


def planned(scenario: Scenario) -> nx.DiGraph[str]:
    """Return the graph that a scenario's clients and calls would make, without figures.

    A gateway leads wherever one of its routes does.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    mesh, file = scenario.mesh, scenario.file
    for client in file.clients:
        outside = client.from_ == OUTSIDE
        pod = None if outside else mesh.pod(client.from_)
        source = client.name if pod is None else pod.deployment
        _node(graph, source, kind="client" if outside else "workload")
        _lead(graph, mesh, source, pod, client.url, client.via)
    for name, behaviour in file.workloads.items():
        pods = mesh.pods_of(name if "." in name else f"{name}.default")
        for call in behaviour.calls:
            _node(graph, pods[0].deployment, version=pods[0].version)
            _lead(graph, mesh, pods[0].deployment, pods[0], call.url, None)
    for pod in mesh.pods:
        if pod.gateway and pod.deployment in graph:
            for address in _routed(scenario.configuration(pod)):
                _join(graph, mesh, pod.deployment, address)
    return graph


def elements(graph: nx.DiGraph[str]) -> dict[str, list[dict[str, Any]]]:
    """Return a graph as Cytoscape's `elements`, in a stable order."""
    return {
        "nodes": [{"data": {"id": name, **graph.nodes[name]}} for name in sorted(graph.nodes)],
        "edges": [
            {
                "data": {
                    "id": f"{source} -> {target}",
                    "source": source,
                    "target": target,
                    **graph.edges[source, target],
                }
            }
            for source, target in sorted(graph.edges)
        ],
    }


def layers(graph: nx.DiGraph[str]) -> dict[str, int]:
    """Return each node's distance from where requests come in, for a drawing left to right."""
    found: dict[str, int] = {}
    roots = [name for name in graph.nodes if graph.in_degree(name) == 0]
    # In a circle nobody comes first; then the alphabet decides.
    for root in sorted(roots) or sorted(graph.nodes)[:1]:
        for name, depth in nx.single_source_shortest_path_length(graph, root).items():
            found[name] = max(depth, found.get(name, 0))
    return {name: found.get(name, 0) for name in graph.nodes}


def _node(graph: nx.DiGraph[str], name: str, *, kind: str = "workload", version: str = "") -> None:
    if name not in graph:
        label = name.removesuffix(".default")
        graph.add_node(name, label=label, kind=kind, version="")
    if version and "." in name and version != name:
        graph.nodes[name]["version"] = version


def _merge(graph: nx.DiGraph[str], edge: Edge) -> None:
    """Add an edge; the busier of two services decides what is said of the latency."""
    figures = edge.figures
    fresh: dict[str, Any] = {
        "services": [edge.service] if edge.service else [],
        "requests": figures.requests,
        "rate": figures.rate,
        "success_share": figures.success_share,
        "p50_ns": figures.p50_ns,
        "p99_ns": figures.p99_ns,
    }
    if not graph.has_edge(edge.source, edge.destination):
        graph.add_edge(edge.source, edge.destination, **fresh)
        return
    known = graph.edges[edge.source, edge.destination]
    busier = max(known, fresh, key=lambda one: one["requests"])
    total = known["requests"] + fresh["requests"]
    good = sum(one["success_share"] * one["requests"] for one in (known, fresh))
    known.update(
        services=sorted({*known["services"], *fresh["services"]}),
        requests=total,
        rate=round(known["rate"] + fresh["rate"], 6),
        success_share=round(good / total, 6),
        p50_ns=busier["p50_ns"],
        p99_ns=busier["p99_ns"],
    )


def _is_entry(graph: nx.DiGraph[str], name: str, run: Run) -> bool:
    return any(source in run.clients for source in graph.predecessors(name))


def _lead(
    graph: nx.DiGraph[str], mesh: Mesh, source: str, client: Pod | None, url: str, via: str | None
) -> None:
    target = resolve(mesh, client, url, via)
    for address, _ in target.addresses:
        _join(graph, mesh, source, address)
    for connection in target.connections:
        _join(graph, mesh, source, connection.address)


def _join(graph: nx.DiGraph[str], mesh: Mesh, source: str, address: str) -> None:
    """Add an edge to each workload behind an address."""
    for pod in _pods_at(mesh, address):
        kind = "gateway" if pod.gateway else "workload"
        _node(graph, pod.deployment, kind=kind, version=pod.version)
        graph.add_edge(source, pod.deployment)


def _routed(config: Config) -> list[str]:
    """Return the addresses of all endpoints that some route of a proxy leads to."""
    routes = (
        route
        for table in config.routes.values()
        for virtual_host in table.virtual_hosts
        for route in virtual_host.routes
    )
    names = dict.fromkeys(
        name
        for route in routes
        for name in (route.cluster, *(one.name for one in route.weighted_clusters))
    )
    known = (config.clusters[name] for name in names if name in config.clusters)
    return [endpoint.address for cluster in known for endpoint in cluster.endpoints]


def _pods_at(mesh: Mesh, address: str) -> list[Pod]:
    """Return the pods behind an address: one pod's own, or a service's."""
    behind = {address}
    for service in mesh.services.values():
        if service.ip == address:
            behind |= {endpoint.address for endpoint in service.endpoints}
    return [pod for pod in mesh.pods if pod.ip in behind]
