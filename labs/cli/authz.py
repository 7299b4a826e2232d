"""`meshdojo authz`: what authorizes the requests that a workload receives."""

from __future__ import annotations

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

_GAP = 3

app = typer.Typer(help="What authorizes the requests of a workload.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def check(
    proxy: Proxy,
    files: Files = None,
    scenario: ScenarioOption = None,
    sandbox: SandboxOption = None,
    at: AtOption = None,
    namespace: Namespace = "default",
    output: OutputOption = Output.TEXT,
) -> None:
    """List the AuthorizationPolicies that are in force at a proxy, and how many rules of each.

    Example: meshdojo authz check deploy/reviews-v1 -f app.yaml
    """
    from simulator.istiod.istioctl import authz

    held = given.held(given.proxy(proxy, namespace), files, scenario, sandbox, at)
    shown = authz.table(held.resources.listeners)
    if output is Output.JSON:
        rows = [{"action": a, "policy": p, "rules": int(n)} for a, p, n in shown.rows]
        print_json({"schema": "authz-check.v1", "policies": rows})
        return
    print_columns(shown.columns, shown.rows, _GAP)
