"""`grader`: mark a workspace, prove a lab.

Exit codes: 0 passed, 1 failed, 2 usage, 3 undecided (ours), 4 a bug of ours.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from grader.evidence import Engine, Outcome
from grader.grade import grade
from grader.lab import Lab, LabError
from grader.report import json as json_report
from grader.report import text as text_report
from grader.verify import Proof
from grader.verify import verify as proofs

PASSED, FAILED, USAGE, UNDECIDED, BUG = range(5)
_CODES = {
    Outcome.PASSED: PASSED,
    Outcome.FAILED: FAILED,
    Outcome.NOT_RUN: FAILED,
    Outcome.UNDECIDED: UNDECIDED,
}

app = typer.Typer(
    name="grader",
    help="Mark what learners did, and prove labs before they see them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Output(StrEnum):
    """How a command prints what it found."""

    TEXT = "text"
    JSON = "json"


LabArgument = Annotated[
    Path, typer.Argument(metavar="LAB_DIR", help="A lab's folder, which holds lab.yaml.")
]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="The simulator, or real Envoys on this machine.")
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print.")]


@app.command()
def run(
    lab: LabArgument,
    workspace: Annotated[
        Path, typer.Argument(help="The folder with the learner's files.", file_okay=False)
    ] = Path(),
    engine: EngineOption = Engine.SIM,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The root of all chance.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Mark a workspace."""
    read = Lab.load(lab)
    if not workspace.is_dir():
        typer.echo(f"There is no folder {workspace}.", err=True)
        raise typer.Exit(USAGE)
    report = grade(read, workspace, engine, seed, progress=_progress())
    printer = json_report.text if output is Output.JSON else text_report.text
    typer.echo(printer(report), nl=False)
    raise typer.Exit(_CODES[report.outcome])


@app.command()
def verify(
    lab: LabArgument,
    engine: EngineOption = Engine.SIM,
    output: OutputOption = Output.TEXT,
) -> None:
    """Prove a lab: its start fails, its solution passes, each wrong answer is refused rightly."""
    read = Lab.load(lab)
    found: list[Proof] = []
    for proof in proofs(read, engine, progress=_progress()):
        found.append(proof)
        if output is Output.TEXT:
            mark = text_report.MARKS[proof.outcome]
            typer.echo(f"{mark} {proof.what}" + (f": {proof.reason}" if proof.reason else ""))
    if output is Output.JSON:
        rows = [
            {"what": each.what, "outcome": each.outcome, "reason": each.reason} for each in found
        ]
        typer.echo(json.dumps({"lab": read.id, "engine": engine, "proofs": rows}, indent=2))
    outcomes = {each.outcome for each in found}
    worst = (Outcome.FAILED, Outcome.UNDECIDED, Outcome.PASSED)
    raise typer.Exit(_CODES[next(each for each in worst if each in outcomes)])


def _progress() -> Callable[[str], None] | None:
    if not sys.stderr.isatty():
        return None
    return lambda phrase: typer.echo(f"... {phrase}", err=True)


def main() -> None:
    """Run `grader`; the console script."""
    try:
        app()
    except LabError as error:
        typer.echo(str(error), err=True)
        sys.exit(USAGE)
    except Exception:
        traceback.print_exc()
        typer.echo("This is a bug in Meshdojo, not in your configuration.", err=True)
        sys.exit(BUG)
