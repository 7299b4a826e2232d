"""`meshdojo grade`: the grader's own command line, read when it is wanted."""

from __future__ import annotations

import typer

FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Everything after `grade`, options too, is the grader's to understand."""


def grade(context: typer.Context) -> None:
    """Mark submissions and prove labs, as `grader` does."""
    from grader.cli import app

    app(args=context.args, prog_name="meshdojo grade")
