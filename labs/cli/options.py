"""The options that several commands share, and the two ways to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

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


class UsageError(Exception):
    """A command that cannot be carried out as it was given; exit code 2."""


def required(files: list[str] | None) -> list[str]:
    """Return the manifests that were given. Raises UsageError when there are none."""
    if not files:
        message = "no manifests given. Try: -f FILE, -f FOLDER, or -f - for standard input"
        raise UsageError(message)
    return files


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value or record
    """Print one JSON document."""
    typer.echo(json.dumps(to_json(value), indent=2, ensure_ascii=False))


def print_json_lines(values: Iterable[Any]) -> None:
    """Print one JSON document a line."""
    for value in values:
        typer.echo(json.dumps(to_json(value), ensure_ascii=False))


_COLOURS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.INFO: "blue"}


def print_diagnostics(diagnostics: Iterable[Diagnostic], *, to_stderr: bool = True) -> None:
    """Print findings, one a line with the hint below; to standard error unless told."""
    console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
    for found in diagnostics:
        place = f"{found.position}: " if found.position else ""
        subject = f" {found.resource}:" if found.resource else ""
        colour = _COLOURS[found.level]
        console.print(
            f"[bold]{place}[/bold][{colour}]{found.level}[/{colour}] \\[{found.code}]{subject} ",
            end="",
        )
        console.print(found.message, markup=False)
        if found.hint:
            console.print(f"    Try: {found.hint}", style="dim", markup=False)


def interactive() -> bool:
    """Say whether a person watches: progress is shown on a terminal alone."""
    return sys.stderr.isatty()
