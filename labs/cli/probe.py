"""`meshdojo probe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    AtOption,
    Engine,
    EngineOption,
    Files,
    Output,
    OutputOption,
    ScenarioOption,
    SeedOption,
    UsageError,
    print_json_lines,
    print_rich,
    progress,
)

if TYPE_CHECKING:
    from simulator.observe.observation import Observation

RequestsOption = Annotated[
    Path,
    typer.Option("--requests", metavar="FILE", help="A YAML or JSON list; only `url` is required."),
]
LogsOption = Annotated[
    bool, typer.Option("--logs", help="What each proxy's access logs say, too (with -o text).")
]


def probe(
    requests: RequestsOption,
    files: Files = None,
    scenario: ScenarioOption = None,
    engine: EngineOption = Engine.SIM,
    explain: Annotated[
        bool, typer.Option("--explain", help="Why each proxy decided as it did (simulator only).")
    ] = False,
    logs: LogsOption = False,
    at: AtOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.JSON,
) -> None:
    """Send requests into the mesh and print what came of each.

    JSON Lines, one observation (`observation.v1`) a request; `-o text` for people.
    Exit code 0 when all were sent, whatever came back.

    Example: meshdojo probe -f app.yaml --requests requests.yaml -o text --explain
    """
    todo = given.requests(requests)
    at_ns = given.moment(at)
    if engine is Engine.ENVOY and (explain or seed is not None or at_ns is not None):
        option = "--explain" if explain else "--seed" if seed is not None else "--at"
        raise UsageError(f"real Envoys know no {option}. Try: --engine sim")
    mesh = given.scenario(files, scenario)
    if engine is Engine.SIM:
        seen = mesh.probe(todo, seed=seed, explain=explain, at_ns=at_ns or 0)
        given.tell(mesh.diagnostics)
    else:
        from sandbox.probe import probe as probe_envoys

        seen = probe_envoys(mesh, todo, on_progress=progress())
    if output is Output.JSON:
        print_json_lines(seen)
    else:
        print_observations(seen, logs=logs)


def print_observations(seen: tuple[Observation, ...], *, logs: bool) -> None:
    """Print a line for each observation, and below it access logs and reasons as asked."""
    from simulator.views import journey

    for each in seen:
        typer.echo(journey.line(each))
        if logs:
            for line in journey.logged(each):
                typer.echo(line)
        if each.explain is not None:
            print_rich(journey.tree(each.explain))
