"""`meshdojo envoy`: configuration written for Envoy itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labs.cli import given
from labs.cli.options import FAILED, Output, OutputOption, UsageError, print_json

app = typer.Typer(help="Configuration written for Envoy itself.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep the subcommand's name, even while there is one alone."""


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

    report = check(_routes(config), read_tests(given.text(tests)))
    if output is Output.JSON:
        rows = [{"name": each.name, "failures": each.failures} for each in report.results]
        coverage = {"ok": report.ok, "coverage_pct": report.coverage_pct}
        print_json({"schema": "route-check.v1", **coverage, "results": rows})
    else:
        for line in report.lines(details=details, only_failures=only_failures):
            typer.echo(line)
    if not report.ok:
        raise typer.Exit(FAILED)


def _routes(path: Path) -> dict[str, object]:
    from simulator.config.yaml import documents
    from simulator.diagnostics import Level

    found, diagnostics = documents(str(path), given.text(path))
    if any(each.level is Level.ERROR for each in diagnostics):
        raise UsageError(f"{path} cannot be read", diagnostics)
    if len(found) != 1 or not isinstance(found[0].value, dict):
        raise UsageError(f"{path} does not hold one RouteConfiguration")
    return found[0].value
