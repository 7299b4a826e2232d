"""The options that several commands share, and the two ways to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.diagnostics import Diagnostic, Level
from simulator.observe.observation import to_json

PASSED, FAILED, USAGE, UNDECIDED, BUG = range(5)
"""The exit codes, as every command gives them."""


class Output(StrEnum):
    """How a command prints what it found."""

    TEXT = "text"
    JSON = "json"


class Engine(StrEnum):
    """The plane that serves a command."""

    SIM = "sim"
    ENVOY = "envoy"


Files = Annotated[
    list[str] | None,
    typer.Option(
        "-f", "--file", help="Manifests: a file, a folder, or - for standard input; repeatable."
    ),
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print.")]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="The simulator, or real Envoys on this machine.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="The root of all chance.")]
ScenarioOption = Annotated[
    Path | None,
    typer.Option("--scenario", help="A scenario file: how the workloads behave."),
]
Proxy = Annotated[
    str, typer.Argument(metavar="POD[.NS]|deploy/NAME[.NS]", help="Whose configuration.")
]
Namespace = Annotated[
    str, typer.Option("-n", "--namespace", help="Of what is named without a namespace.")
]
SandboxOption = Annotated[
    str | None, typer.Option("--sandbox", metavar="ID", help="A running mesh, not manifests.")
]


AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="Of which moment of the scenario: 90s, 5m."),
]


class UsageError(Exception):
    """A command that cannot be carried out as it was given; `diagnostics` say where, if known."""

    def __init__(self, message: str, diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value or record
    """Print one JSON document."""
    typer.echo(json.dumps(to_json(value), indent=2, ensure_ascii=False))


def print_json_lines(values: Iterable[Any]) -> None:
    """Print one JSON document a line."""
    for value in values:
        typer.echo(json.dumps(to_json(value), ensure_ascii=False))


_COLOURS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.INFO: "blue"}
_WIDTH = 240
"""Of what is not a terminal: wider than any table."""


def print_diagnostics(diagnostics: Iterable[Diagnostic], *, to_stderr: bool = True) -> None:
    """Print findings, one a line with the hint below; to standard error unless told."""
    console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
    for found in diagnostics:
        line = Text(f"{found.position}: " if found.position else "", style="bold")
        line.append(str(found.level), style=_COLOURS[found.level])
        line.append(f" [{found.code}] ", style="not bold")
        line.append(f"{found.resource}: " if found.resource else "", style="not bold")
        line.append(found.message, style="not bold")
        console.print(line)
        if found.hint:
            console.print(f"    Try: {found.hint}", style="dim", markup=False)


def new_table(*columns: str, title: str | None = None, right: Sequence[str] = ()) -> Table:
    """Return a plain table; `right` names the columns of numbers."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def print_columns(columns: Sequence[str], rows: Sequence[Sequence[str]], gap: int = 5) -> None:
    """Print a table as kubectl and istioctl do: nothing but blanks between the columns."""
    lines = [columns, *rows]
    widths = [max(len(line[at]) for line in lines) + gap for at in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("".join(cells).rstrip())


def print_rich(*what: RenderableType, width: int = _WIDTH) -> None:
    """Print tables and the like: as wide as the terminal, elsewhere as wide as they are."""
    if sys.stdout.isatty():
        Console(highlight=False).print(*what, sep="\n")
        return
    console = Console(width=width, file=StringIO(), record=True, color_system=None)
    console.print(*what, sep="\n")
    typer.echo("\n".join(line.rstrip() for line in console.export_text().splitlines()))


DriverOption = Annotated[
    str,
    typer.Option(
        "--driver", metavar="NAME", help="What runs the Envoys: process, netns or docker."
    ),
]


def progress() -> Callable[[str], None] | None:
    """Return what tells a person who watches what is being done; None if nobody does."""
    return (lambda phrase: typer.echo(f"… {phrase}", err=True)) if interactive() else None


def interactive() -> bool:
    """Say whether a person watches: progress is shown on a terminal alone."""
    return sys.stderr.isatty()
