"""`meshdojo lab`: do a lab in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labs.cli.options import (
    FAILED,
    PASSED,
    UNDECIDED,
    Engine,
    EngineOption,
    Output,
    OutputOption,
    SeedOption,
    UsageError,
    new_table,
    print_json,
    print_rich,
    progress,
)

if TYPE_CHECKING:
    from grader.lab import Lab

app = typer.Typer(help="Do a lab in the terminal.", no_args_is_help=True)

_PROSE = 96

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `lab list` shows it.")]
FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]", help="Your folder; ./NAME or, if that is not there, the current one."
    ),
]


@app.command("list")
def list_(output: OutputOption = Output.TEXT) -> None:
    """List the labs, in the order in which they are meant to be done."""
    from labs.catalogue import labs

    if output is Output.JSON:
        print_json({"schema": "labs.v1", "labs": [_document(each) for each in labs()]})
        return
    table = new_table("lab", "module", "minutes", "what it is about", right=["minutes"])
    for each in labs():
        table.add_row(each.id, each.module, str(each.minutes), each.summary)
    print_rich(table)


@app.command()
def show(name: NameArgument, output: OutputOption = Output.TEXT) -> None:
    """Show a lab's instructions and what it is judged by."""
    from labs.catalogue import lab

    found = lab(name)
    if output is Output.JSON:
        print_json(
            {"schema": "lab-page.v1", **_document(found), "instructions": found.instructions}
        )
        return
    from rich.markdown import Markdown

    print_rich(Markdown(found.instructions), "", width=_PROSE)
    for check in found.checks:
        typer.echo(f"{check.id:<12} {check.points:>3}  {check.says}")
    typer.echo(f"\nBegin with: meshdojo lab start {found.id}")


@app.command()
def start(name: NameArgument, folder: FolderArgument = None) -> None:
    """Put the files that you begin with into a folder (./NAME unless given).

    Nothing that you wrote is ever overwritten.
    """
    from labs import work
    from labs.catalogue import lab

    found = lab(name)
    place = folder or Path(found.id)
    _written(work.start(found, place))
    typer.echo(f"Yours to edit: {', '.join(str(place / each) for each in found.files)}")
    typer.echo(f"Then: meshdojo lab check {found.id} {place}")


@app.command()
def check(
    name: NameArgument,
    folder: FolderArgument = None,
    engine: EngineOption = Engine.SIM,
    seed: SeedOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Mark your work: every check with its reason.

    Exit code 0 if all passed, 1 if one failed, 3 if one could not be decided (never your fault).
    """
    from grader.evidence import Outcome
    from grader.grade import grade
    from grader.report import json, text
    from labs import work
    from labs.catalogue import lab

    found = lab(name)
    place = work.folder_of(found, folder)
    report = grade(found, place, engine.value, seed, progress=progress())
    printer = json.text if output is Output.JSON else text.text
    typer.echo(printer(report), nl=False)
    codes = {Outcome.PASSED: PASSED, Outcome.UNDECIDED: UNDECIDED}
    raise typer.Exit(codes.get(report.outcome, FAILED))


@app.command()
def hint(
    name: NameArgument,
    check: Annotated[str, typer.Argument(metavar="CHECK", help="As `lab check` names it.")],
    level: Annotated[
        int, typer.Option("--level", min=1, max=3, help="1 is a nudge, 3 nearly says it.")
    ] = 1,
) -> None:
    """Give a hint for a check."""
    from labs.catalogue import lab

    found = lab(name)
    hints = found.hints.get(check)
    if hints is None:
        from simulator.config.mistakes import near

        advice = near(check, [each.id for each in found.checks])
        raise UsageError(f"{found.id} has no check {check}. Try: {advice}")
    from rich.markdown import Markdown

    print_rich(Markdown(hints[level - 1]), width=_PROSE)
    if level < len(hints):
        typer.echo(f"\nMore: meshdojo lab hint {found.id} {check} --level {level + 1}")


@app.command()
def solve(
    name: NameArgument,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Where to write the solution; printed if absent."),
    ] = None,
) -> None:
    """Show a solution that passes, or write it into a folder of its own."""
    from labs import work
    from labs.catalogue import lab

    found = lab(name)
    if folder is not None:
        _written(work.solve(found, folder))
        return
    for file in found.files:
        typer.echo(f"# {file}\n{(found.solution_folder / file).read_text(encoding='utf-8')}")


def _written(files: tuple[Path, ...]) -> None:
    for each in files:
        typer.echo(f"wrote {each}")


def _document(lab: Lab) -> dict[str, object]:
    return {
        "id": lab.id,
        "title": lab.title,
        "module": lab.module,
        "summary": lab.summary,
        "minutes": lab.minutes,
        "objectives": lab.objectives,
        "files": lab.files,
        "checks": [
            {"id": each.id, "says": each.says, "points": each.points} for each in lab.checks
        ],
    }
