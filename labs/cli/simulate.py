"""`meshdojo simulate`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    FAILED,
    Files,
    Output,
    OutputOption,
    SeedOption,
    UsageError,
    interactive,
    print_json,
    print_rich,
)

if TYPE_CHECKING:
    from simulator.scenario import Run, Scenario


def simulate(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")],
    files: Files = None,
    seed: SeedOption = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Simulate so long: 90s, 5m.")
    ] = None,
    replications: Annotated[
        int, typer.Option("--replications", min=1, help="Run with so many seeds, side by side.")
    ] = 1,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="DIR", help="Write figures (PNG) there.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write tables (CSV, JSON) and metrics there."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Let a scenario's clients visit its mesh, and say how it went.

    Rates, successes, latencies, flags and versions, by client and service. The same seed gives
    the same bytes. With --replications N the seeds are N in a row, and each figure is a mean
    with its 95 % confidence interval. A run that does not keep the scenario's `slos` ends with
    exit code 1; several seeds get no verdict.

    Example: meshdojo simulate scenario.yaml --until 30s --plot figures/
    """
    if replications > 1 and plot is not None:
        raise UsageError("figures are of one run. Try: --plot without --replications")
    until_ns = _duration(until)
    mesh = given.scenario(files, scenario)
    if not mesh.file.clients:
        raise UsageError(f"{scenario} has no `clients`: nobody sends anything. Try: add one")
    given.tell(mesh.diagnostics)
    folders = {each: given.folder(each) for each in (plot, out) if each is not None}
    if replications > 1:
        _ensemble(mesh, seed, until_ns, replications, out, output)
        return
    with _bar() as progress:
        run = mesh.run(seed, until_ns, progress)
    if out in folders:
        _tables(run, folders[out])
    if plot in folders:
        _figures(run, folders[plot])
    if output is Output.JSON:
        typer.echo(run.to_json())
    else:
        from simulator.views import table

        print_rich(table.tables(run))
    if not all(each.met for each in run.verdicts):
        raise typer.Exit(FAILED)


def _ensemble(
    mesh: Scenario,
    seed: int | None,
    until_ns: int | None,
    number: int,
    out: Path | None,
    output: Output,
) -> None:
    from simulator.views import ensemble

    first = mesh.file.seed if seed is None else seed
    workers = min(number, os.cpu_count() or 1)
    # Not forked: a progress bar, or numpy, may have threads by now.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        found = ensemble.replications(mesh, range(first, first + number), until_ns, pool)
    if out is not None:
        (out / "ensemble.csv").write_text(ensemble.rows_csv(found), encoding="utf-8")
    if output is Output.JSON:
        print_json(found)
    else:
        print_rich(ensemble.table(found))


def _duration(text: str | None) -> int | None:
    found = given.moment(text, "--until")
    if found == 0:
        raise UsageError("--until: a run lasts longer than nothing. Try: --until 10s")
    return found


def _tables(run: Run, folder: Path) -> None:
    from simulator.views import prometheus, table

    texts = {
        "requests.csv": table.requests_csv(run),
        "figures.csv": table.figures_csv(run),
        "run.json": run.to_json() + "\n",
        "metrics.prom": prometheus.text(run),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _figures(run: Run, folder: Path) -> None:
    from simulator.views import plot

    drawn = {
        "topology": plot.topology(run),
        "latency": plot.latency(run),
        "shares": plot.shares(run),
    }
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=150)


@contextmanager
def _bar() -> Iterator[Callable[[float], None] | None]:
    """Yield what moves a bar for a person who watches; it is gone when the run is over."""
    if not interactive():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=1.0)
        yield lambda done: bar.update(task, completed=done)
