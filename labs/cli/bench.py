"""`meshdojo bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from labs.cli.options import FAILED, Output, OutputOption, new_table, print_json, print_rich


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Such as engine.mm1; all if none.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Measure the published benchmarks, each against its peer in the same minute.

    Exit code 1 if one misses its target.
    """
    from labs.bench import run

    results = run(names or ())
    if output is Output.JSON:
        print_json({"results": results})
    else:
        numbers = ("value", "target", "spread", "a second", "peer's")
        table = new_table("", "benchmark", *numbers, right=numbers)
        for each in results:
            table.add_row(
                "✓" if each.ok else "✗",
                each.name,
                f"{each.value:g} {each.unit}",
                f"{each.target:g}",
                f"{each.spread.low:g} to {each.spread.high:g}",
                "" if each.rate is None else f"{each.rate:,.0f}",
                "" if each.baseline is None else f"{each.baseline.rate:,.0f}",
            )
        print_rich(table)
    if not all(each.ok for each in results):
        raise typer.Exit(FAILED)
