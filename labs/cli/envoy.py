"""`meshdojo envoy`: configuration written for Envoy itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labs.cli import given
from labs.cli.options import (
    FAILED,
    Engine,
    EngineOption,
    Output,
    OutputOption,
    SeedOption,
    UsageError,
    print_json,
    print_json_lines,
    progress,
)
from labs.cli.probe import LogsOption, RequestsOption, print_observations

if TYPE_CHECKING:
    from simulator.config.yaml import Document
    from simulator.observe.explain import FieldRef

REFUSED = 400
"""From here on, statuses are refusals."""

app = typer.Typer(help="Configuration written for Envoy itself.", no_args_is_help=True)


@app.command()
def run(
    config: Annotated[
        Path, typer.Option("-c", "--config-path", help="A bootstrap (envoy.yaml), YAML or JSON.")
    ],
    requests: RequestsOption,
    engine: EngineOption = Engine.SIM,
    explain: Annotated[bool, typer.Option("--explain", help="Why it decided as it did.")] = False,
    logs: LogsOption = False,
    seed: SeedOption = None,
    output: OutputOption = Output.JSON,
) -> None:
    """Send requests to an Envoy with a hand-written bootstrap, and print what came of each.

    A URL's port says which listener is meant. Each endpoint of its clusters is a workload that
    answers 200. JSON Lines, one observation a request, unless `-o text`. With `--engine envoy`
    the real one runs in a jail (bubblewrap), with nothing to reach.

    Example: meshdojo envoy run -c envoy.yaml --requests requests.yaml -o text --explain
    """
    from simulator.config.requests import unsendable
    from simulator.engine.standalone import Standalone

    todo = given.requests(requests)
    if engine is Engine.ENVOY and (explain or seed is not None):
        option = "--explain" if explain else "--seed"
        raise UsageError(f"a real Envoy knows no {option}. Try: --engine sim")
    refused = tuple(unsendable(todo))
    if refused:
        raise UsageError(f"{requests} cannot be sent", refused)
    document = _document(config)
    proxy = Standalone.of(document.value)
    given.tell(proxy.diagnostics)

    def source(_: str, field: FieldRef) -> str:
        path = proxy.path(field.kind, field.resource, field.path)
        return str(document.positions.nearest(path))

    if engine is Engine.ENVOY:
        from sandbox.jail.alone import probe

        seen = probe(document.value, todo, progress())
    else:
        seen = proxy.probe(todo, seed=seed or 1, source=source if explain else None)
    if output is Output.JSON:
        print_json_lines(seen)
    else:
        print_observations(seen, logs=logs)


@app.command()
def admin(
    path: Annotated[
        str, typer.Argument(help="Such as /clusters, /stats?filter=rq_ or /config_dump.")
    ],
    config: Annotated[
        Path, typer.Option("-c", "--config-path", help="A bootstrap (envoy.yaml), YAML or JSON.")
    ],
    requests: Annotated[
        Path | None,
        typer.Option("--requests", metavar="FILE", help="What it has served before."),
    ] = None,
    seed: SeedOption = None,
) -> None:
    """Show what the administration interface of an Envoy answers, in Envoy's own form.

    The simulated Envoy has the bootstrap, and has served the requests. Exit code 1 for a path
    or a query that is refused.

    Example: meshdojo envoy admin "/stats?usedonly" -c envoy.yaml --requests requests.yaml
    """
    from simulator.config.requests import unsendable
    from simulator.engine.standalone import Standalone

    todo = given.requests(requests) if requests is not None else ()
    refused = tuple(unsendable(todo))
    if refused:
        raise UsageError(f"{requests} cannot be sent", refused)
    proxy = Standalone.of(_document(config).value)
    given.tell(proxy.diagnostics)
    page = proxy.admin(todo, path, seed=seed or 1)
    typer.echo(page.body.removesuffix("\n"), nl=bool(page.body), err=page.status >= REFUSED)
    if page.status >= REFUSED:
        raise typer.Exit(FAILED)


@app.command("route-check")
def route_check(
    config: Annotated[
        Path, typer.Option("-c", "--config-path", help="A RouteConfiguration, YAML or JSON.")
    ],
    tests: Annotated[Path, typer.Option("-t", "--test-path", help='A file {"tests": […]}.')],
    details: Annotated[bool, typer.Option("-d", "--details", help="Name each test.")] = False,
    only_failures: Annotated[
        bool, typer.Option("--only-show-failures", help="Name the failed tests alone.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check routes against expectations, in the format of Envoy's route table check tool.

    Exit code 1 if an expectation is not met.

    Example: meshdojo envoy route-check -c routes.yaml -t tests.json --details
    """
    from simulator.envoy.route_check import check, read_tests

    report = check(_document(config).value, read_tests(given.text(tests)))
    if output is Output.JSON:
        rows = [{"name": each.name, "failures": each.failures} for each in report.results]
        coverage = {"ok": report.ok, "coverage_pct": report.coverage_pct}
        print_json({"schema": "route-check.v1", **coverage, "results": rows})
    else:
        for line in report.lines(details=details, only_failures=only_failures):
            typer.echo(line)
    if not report.ok:
        raise typer.Exit(FAILED)


def _document(path: Path) -> Document:
    """Return the one object of a file. Raises UsageError for a file that is none."""
    from simulator.config.yaml import documents
    from simulator.diagnostics import Level

    found, diagnostics = documents(str(path), given.text(path))
    if any(each.level is Level.ERROR for each in diagnostics):
        raise UsageError(f"{path} cannot be read", diagnostics)
    if len(found) != 1 or not isinstance(found[0].value, dict):
        raise UsageError(f"{path} does not hold one object, as Envoy's configuration does")
    return found[0]
