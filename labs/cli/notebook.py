"""`meshdojo notebook`."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import typer

from labs.cli.options import UNDECIDED

_FOLDER = Path(__file__).parents[2] / "notebooks"


def notebook() -> None:
    """Open the course's notebooks in JupyterLab, until Ctrl-C."""
    if find_spec("jupyterlab") is None:
        typer.echo("JupyterLab is not installed. Try: pip install 'meshdojo[notebook]'", err=True)
        raise typer.Exit(UNDECIDED)
    if not _FOLDER.is_dir():
        typer.echo(f"There are no notebooks at {_FOLDER}. Try: a clone of the project", err=True)
        raise typer.Exit(UNDECIDED)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={_FOLDER}"]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
