"""`meshdojo describe`: what a pod or a service is to the mesh, and what concerns it."""

from __future__ import annotations

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
    ScenarioOption,
    UsageError,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.istiod.istioctl.describe import Note

app = typer.Typer(help="What a pod or a service is to the mesh.", no_args_is_help=True)


@app.command("pod")
def pod(
    name: Proxy,
    files: Files = None,
    scenario: ScenarioOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    output: OutputOption = Output.TEXT,
) -> None:
    """A pod's services, rules, routes, mutual TLS and policies.

    Example: meshdojo describe pod deploy/reviews-v1 -f app.yaml
    """
    from simulator.istiod.istioctl.describe import describe_pod

    whole = given.scenario(files, scenario)
    plane = whole.at(given.moment(at) or 0)
    found = plane.cluster.pod(given.proxy(name, namespace))
    listeners = plane.resources(found).listeners if found.proxied else ()
    _print("pod", found.ref, describe_pod(plane.cluster, found, listeners), output)


@app.command("svc", hidden=True)
@app.command("service")
def service(
    name: Annotated[str, typer.Argument(metavar="NAME[.NS]", help="A service, or its host.")],
    files: Files = None,
    scenario: ScenarioOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    output: OutputOption = Output.TEXT,
) -> None:
    """A service's ports, rules, routes and the gateways that expose it.

    Example: meshdojo describe service reviews -f app.yaml
    """
    from simulator.istiod import names
    from simulator.istiod.istioctl.describe import describe_service

    mesh = given.scenario(files, scenario).at(given.moment(at) or 0).cluster
    short, _, home = name.partition(".")
    found = mesh.services.get(name) or mesh.services.get(
        names.service_host(short, home.partition(".")[0] or namespace)
    )
    if found is None:
        known = ", ".join(f"{each.name}.{each.namespace}" for each in mesh.services.values())
        raise UsageError(f"there is no service {name}. Try: one of {known}")
    _print("service", found.hostname, describe_service(mesh, found), output)


def _print(kind: str, name: str, notes: Iterable[Note], output: Output) -> None:
    from simulator.istiod.istioctl.describe import lines

    if output is Output.JSON:
        print_json({"schema": "describe.v1", "kind": kind, "name": name, "notes": tuple(notes)})
        return
    for line in lines(notes):
        typer.echo(line)
