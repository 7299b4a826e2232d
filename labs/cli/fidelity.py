"""`meshdojo fidelity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    FAILED,
    DriverOption,
    Files,
    Output,
    OutputOption,
    ScenarioOption,
    UsageError,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from sandbox.fidelity.replay import Comparison
    from simulator.config.scenario import Request
    from simulator.scenario import Scenario


def fidelity(
    files: Files = None,
    scenario: ScenarioOption = None,
    requests: Annotated[
        Path | None, typer.Option("--requests", metavar="FILE", help="What to send.")
    ] = None,
    driver: DriverOption = "process",
    cases: Annotated[
        int | None, typer.Option("--cases", min=1, help="Invent so many cases.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the invented cases.")] = 1,
    output: OutputOption = Output.TEXT,
) -> None:
    """Send requests to real Envoys, repeat each in the simulator, and print every difference.

    What chance decided (cluster, endpoint, fault) is forced in the simulator; all else has to be
    equal. The choices themselves are tested as shares. Without options: every lab's solution.
    With --cases, listeners and requests are invented instead, differences are made small, and
    it is told how often each field decided. Exit code 1 if anything differs.

    Example: meshdojo fidelity --scenario scenario.yaml --requests requests.yaml

    Example: meshdojo fidelity --cases 1000 --seed 7
    """
    from sandbox.fidelity.run import both_planes

    if cases is not None:
        if files or scenario is not None or requests is not None:
            raise UsageError("--cases invents what is sent. Try: without -f and --requests")
        _invented(cases, seed, output)
        return

    found = [
        (name, both_planes(mesh, todo, driver=driver, on_progress=progress()))
        for name, mesh, todo in _cases(files, scenario, requests)
    ]
    if output is Output.JSON:
        rows = [{"name": name, "ok": each.ok, "comparison": each} for name, each in found]
        print_json({"schema": "fidelity.v1", "results": rows})
    else:
        for name, each in found:
            typer.echo(name)
            print_comparison(each)
    if not all(each.ok for _, each in found):
        raise typer.Exit(FAILED)


def _invented(cases: int, seed: int, output: Output) -> None:
    from sandbox.fidelity.cases import compare_cases, told

    found = compare_cases(cases, seed, on_progress=progress())
    if output is Output.JSON:
        print_json({"schema": "fidelity-cases.v1", "ok": found.ok, "agreement": found})
    else:
        typer.echo(
            f"{found.cases} invented cases (seed {found.seed}): {found.agreed} agree, "
            f"{len(found.differences)} differences"
        )
        for difference in found.differences:
            typer.echo(told(difference))
        for feature in found.features:
            typer.echo(f"  {feature.message}: {feature.agreed} of {feature.cases} cases agree")
        rare = found.uncovered
        typer.echo(f"{len(found.coverage)} fields, {len(rare)} decided too seldom")
        for each in rare:
            typer.echo(f"  {each.field}: in {each.occurred} cases, decided {each.decided}")
    if not found.ok:
        raise typer.Exit(FAILED)


def print_comparison(found: Comparison) -> None:
    """Print how far both planes agree, and each way in which they do not."""
    typer.echo(
        f"  {found.n} real requests replayed in the simulator: {found.agreed} agree, "
        f"{len(found.differences)} differences"
    )
    for finding in found.differences:
        typer.echo(f"  {finding.id} #{finding.n}: {finding.difference}")
    planes = (("real Envoys", found.shares), ("simulator", found.simulated_shares))
    tested = sum(len(shares) for _, shares in planes)
    wrong = [(plane, each) for plane, shares in planes for each in shares if not each.ok]
    typer.echo(f"  {tested} shares of what chance decided, {len(wrong)} beside their weights")
    for plane, each in wrong:
        typer.echo(
            f"  {plane}, {each.proxy}, {each.among}: {each.choice} {each.taken} of {each.of}, "
            f"expected {each.expected:.1%}"
        )


def _cases(
    files: list[str] | None, scenario: Path | None, requests: Path | None
) -> list[tuple[str, Scenario, tuple[Request, ...]]]:
    if requests is not None:
        todo = given.requests(requests)
        return [(str(requests), given.scenario(files, scenario), todo)]
    if files or scenario is not None:
        raise UsageError("nothing to send. Try: --requests FILE")
    from labs.catalogue import labs
    from labs.demo import solved

    return [(each.id, *solved(each)) for each in labs()]
