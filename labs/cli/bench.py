"""`meshdojo bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from labs.cli.options import FAILED, Output, OutputOption, print_json, print_rich


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
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in ("", "benchmark", "value", "target", "spread", "a second", "peer's"):
            table.add_column(name, justify="left" if name in ("", "benchmark") else "right")
        for each in results:
            table.add_row(
                "✓" if each.ok else "✗",
                each.name,
                f"{each.value:g} {each.unit}",
                f"{each.target:g}",
                f"{each.spread.low:g} to {each.spread.high:g}",
                f"{each.rate:,.0f}",
                f"{each.baseline.rate:,.0f}",
            )
        print_rich(table)
    if not all(each.ok for each in results):
        raise typer.Exit(FAILED)
