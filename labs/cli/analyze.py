"""`meshdojo analyze`."""

from __future__ import annotations

from collections import Counter

import typer

from labs.cli import given
from labs.cli.options import FAILED, Files, Output, OutputOption, print_diagnostics, print_json
from simulator.diagnostics import Level


def analyze(files: Files = None, output: OutputOption = Output.TEXT) -> None:
    """Say what is wrong with manifests, each finding with its file and line.

    Wrong fields and values, references that lead nowhere, and Istio's own messages (IST0101 …).
    Exit code 1 if any of it is an error.

    Example: meshdojo analyze -f app.yaml -f istio/
    """
    from simulator.istiod.analyze import analyze as findings

    manifests = given.manifests(files)
    found = findings(manifests)
    counted = Counter(each.level for each in found)
    if output is Output.JSON:
        print_json({"schema": "analysis.v1", "diagnostics": found})
    else:
        print_diagnostics(found, to_stderr=False)
        number = len(manifests.objects)
        counts = [_number(counted[level], level) for level in Level if counted[level]]
        typer.echo(f"{_number(number, 'object')}: {', '.join(counts) or 'nothing to complain of'}.")
    if counted[Level.ERROR]:
        raise typer.Exit(FAILED)


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 or what == Level.INFO else 's'}"
