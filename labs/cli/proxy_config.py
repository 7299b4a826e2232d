"""`meshdojo proxy-config`: a proxy's configuration, as istioctl shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    AtOption,
    Files,
    Namespace,
    Output,
    OutputOption,
    Proxy,
    SandboxOption,
    ScenarioOption,
    print_columns,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from simulator.istiod.istioctl.table import Table

app = typer.Typer(help="A proxy's configuration, as istioctl shows it.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="Of the route configuration.")]
Fqdn = Annotated[str, typer.Option("--fqdn", help="A part of the service's host.")]
Subset = Annotated[str, typer.Option("--subset", help="Of a DestinationRule.")]
Direction = Annotated[str, typer.Option("--direction", help="inbound or outbound.")]
Cluster = Annotated[str, typer.Option("--cluster", help="The whole name of a cluster.")]
Status = Annotated[str, typer.Option("--status", help="HEALTHY, UNHEALTHY, DRAINING …")]
Address = Annotated[str, typer.Option("--address", help="An IP address.")]
Port = Annotated[int, typer.Option("--port", help="A port.")]
Type = Annotated[str, typer.Option("--type", help="HTTP, TCP or HTTP+TCP.")]

_LISTENER_GAP = 1


@app.command("l", hidden=True)
@app.command("listener", hidden=True)
@app.command("listeners")
def listeners(
    proxy: Proxy,
    files: Files = None,
    scenario: ScenarioOption = None,
    sandbox: SandboxOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    address: Address = "",
    port: Port = 0,
    kind: Type = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Where a proxy listens, and where each filter chain leads.

    Example: meshdojo proxy-config listeners deploy/productpage-v1 -f app.yaml --port 9080
    """
    from simulator.istiod.istioctl import listeners as view

    held = given.held(given.proxy(proxy, namespace), files, scenario, sandbox, at)
    found = view.select(held.resources.listeners, address=address, port=port, kind=kind)
    _print(found, view.table(found), output, gap=_LISTENER_GAP)


@app.command("r", hidden=True)
@app.command("route", hidden=True)
@app.command("routes")
def routes(
    proxy: Proxy,
    files: Files = None,
    scenario: ScenarioOption = None,
    sandbox: SandboxOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    name: Name = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """The virtual hosts and routes of a proxy.

    Example: meshdojo proxy-config routes deploy/productpage-v1 -f app.yaml --name 9080 -o json
    """
    from simulator.istiod.istioctl import routes as view
    from simulator.istiod.istioctl.listeners import inline_routes

    held = given.held(given.proxy(proxy, namespace), files, scenario, sandbox, at)
    known = list(held.resources.routes)
    # An Envoy tells of routes inside listeners among the others; istiod does not send them so.
    known += [] if sandbox else inline_routes(held.resources.listeners)
    found = view.select(known, name=name)
    _print(found, view.table(found), output)


@app.command("c", hidden=True)
@app.command("cluster", hidden=True)
@app.command("clusters")
def clusters(
    proxy: Proxy,
    files: Files = None,
    scenario: ScenarioOption = None,
    sandbox: SandboxOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    fqdn: Fqdn = "",
    port: Port = 0,
    subset: Subset = "",
    direction: Direction = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """The clusters of a proxy, and the DestinationRule that shaped each.

    Example: meshdojo proxy-config clusters deploy/sleep -f app.yaml --fqdn reviews
    """
    from simulator.istiod.istioctl import clusters as view

    held = given.held(given.proxy(proxy, namespace), files, scenario, sandbox, at)
    found = view.select(
        held.resources.clusters, fqdn=fqdn, port=port, subset=subset, direction=direction
    )
    _print(found, view.table(found), output)


@app.command("ep", hidden=True)
@app.command("endpoint", hidden=True)
@app.command("endpoints")
def endpoints(
    proxy: Proxy,
    files: Files = None,
    scenario: ScenarioOption = None,
    sandbox: SandboxOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    address: Address = "",
    port: Port = 0,
    cluster: Cluster = "",
    status: Status = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """The endpoints of each cluster, with what is known of their health.

    Example: meshdojo proxy-config endpoints deploy/sleep -f app.yaml --port 9080
    """
    from simulator.istiod.istioctl import endpoints as view

    held = given.held(given.proxy(proxy, namespace), files, scenario, sandbox, at)
    known = view.endpoints(held.resources, held.ejected)
    found = view.select(known, address=address, port=port, cluster=cluster, status=status)
    if output is Output.JSON:
        print_json({"schema": "endpoints.v1", "endpoints": found})
        return
    _print((), view.table(found), output)


@app.command("s", hidden=True)
@app.command("secret", hidden=True)
@app.command("secrets")
def secrets(
    proxy: Proxy,
    files: Files = None,
    scenario: ScenarioOption = None,
    sandbox: SandboxOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    output: OutputOption = Output.TEXT,
) -> None:
    """The certificates of a proxy.

    Example: meshdojo proxy-config secrets deploy/istio-ingressgateway.istio-system -f app.yaml
    """
    from simulator.istiod.istioctl import secrets as view

    found = given.held(
        given.proxy(proxy, namespace), files, scenario, sandbox, at
    ).resources.secrets
    _print(found, view.table(found, datetime.now(tz=UTC)), output)


def _print(found: Iterable[Any], table: Table, output: Output, gap: int = 5) -> None:
    if output is Output.TEXT:
        print_columns(table.columns, table.rows, gap)
        return
    from simulator.envoy_api import format as as_json
    from simulator.envoy_api import redacted

    print_json([as_json(redacted(each)) for each in found])
