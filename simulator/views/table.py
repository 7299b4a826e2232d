"""A run's summary as text for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import fields

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.engine.budget import PARTS
from simulator.engine.summary import Figures, Summary
from simulator.scenario import Run

_MILLISECOND_NS = 1_000_000
_SECOND_NS = 1_000_000_000


def summary(run: Run, *, width: int = 110) -> str:
    """Return the summary as plain text, at most `width` columns wide."""
    return rendered(tables(run), width=width)


def rendered(what: RenderableType, *, width: int) -> str:
    """Return something rich as plain text, without blanks at the ends of lines."""
    console = Console(width=width, record=True, file=io.StringIO(), color_system=None)
    console.print(what)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


def tables(run: Run) -> RenderableType:
    """Return the summary for a rich console."""
    figures = run.summary
    head = Text(
        f"{run.title or 'Run'}: {figures.duration_ns / 1e9:g} s simulated, seed {run.seed}, "
        f"scenario {run.digest[:12]}, version {run.version}"
    )
    shown = [_clients(figures), _budget(run), _services(figures), _edges(figures)]
    if run.verdicts:
        shown.insert(0, _verdicts(run))
    return Group(head, *shown, *([_pushes(run)] if run.pushes else ()))


def requests_csv(run: Run) -> str:
    """Return every client's request as CSV: one row each, in the order of their ends."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("request", "client", "start_ns", "duration_ns", "status", "pod", "error"))
    names = [*run.names, ""]
    for row in run.requests.tolist():
        number, start_ns, duration_ns, client, status, pod, error = row
        shown = "" if status < 0 else status
        writer.writerow(
            (number, names[client], start_ns, duration_ns, shown, names[pod], names[error])
        )
    return out.getvalue()


def figures_csv(run: Run) -> str:
    """Return the summary as CSV: a row for each client, service and edge."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [each.name for each in fields(Figures)]
    writer.writerow(("kind", "source", "destination", "version", *names))
    found = run.summary
    rows = [("client", each.name, "", "", each.figures) for each in found.clients]
    rows += [("service", "", each.host, "", each.figures) for each in found.services]
    rows += [
        ("edge", each.source, each.destination, each.version, each.figures) for each in found.edges
    ]
    for *place, figures in rows:
        writer.writerow((*place, *(getattr(figures, name) for name in names)))
    return out.getvalue()


_FIGURES = ("requests", "rate /s", "success", "p50 ms", "p90 ms", "p99 ms")


def _verdicts(run: Run) -> Table:
    table = Table(
        title="\nWhat was promised", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("client", "objective", "measured", "verdict"):
        table.add_column(name, overflow="fold")
    for each in run.verdicts:
        show = _percent if each.objective == "errors" else _with_unit
        table.add_row(
            each.client,
            f"{each.objective} <= {show(each.limit)}",
            show(each.measured),
            "kept" if each.met else "NOT KEPT",
        )
    return table


def _with_unit(value_ns: float | None) -> str:
    return "-" if value_ns is None else f"{_milliseconds(value_ns)} ms"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.2f} %"


def _clients(figures: Summary) -> Table:
    table = _table("Clients", ("client",), ("flags", "served by"))
    for client in figures.clients:
        others = _counts({**client.flags, **client.errors})
        table.add_row(client.name, *_cells(client.figures), others, _shares(client.versions))
    return table


def _budget(run: Run) -> Table:
    """Return where the time went, on average: of all requests, and of the slowest hundredth."""
    table = Table(
        title="\nWhere the time went (mean ms)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in ("client", "requests"):
        table.add_column(name, overflow="fold")
    for name in PARTS:
        table.add_column(name, justify="right", no_wrap=True)
    for client in run.summary.clients:
        mine = run.requests["client"] == run.names.index(client.name)
        slow = mine & (run.requests["duration_ns"] >= (client.figures.p99_ns or 0))
        for words, rows in (("all", mine), ("slowest 1 %", slow)):
            if rows.any():
                means = run.budget[rows].mean(axis=0).tolist()
                shown = (f"{mean_ns / _MILLISECOND_NS:,.2f}" for mean_ns in means)
                table.add_row(client.name if words == "all" else "", words, *shown)
    return table


def _services(figures: Summary) -> Table:
    table = _table("Services", ("service",), ("flags", "versions"))
    for service in figures.services:
        host = service.host.removesuffix(".svc.cluster.local").removesuffix(".default")
        shown = _counts(service.flags), _shares(service.versions)
        table.add_row(host, *_cells(service.figures), *shown)
    return table


def _edges(figures: Summary) -> Table:
    table = _table("Who called whom", ("from", "to"), ())
    for edge in figures.edges:
        names = (name.removesuffix(".default") for name in (edge.source, edge.destination))
        table.add_row(*names, *_cells(edge.figures))
    return table


def _pushes(run: Run) -> Table:
    """Return a row for each push: times since the start, and what it was for."""
    table = Table(title="\nPushes", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("changed s", "begun s", "sent s", "all answered s", "proxies", "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what")
    table.add_column("changes", overflow="fold")
    for push in run.pushes:
        times = (push.changed_ns, push.begun_ns, push.built_ns, push.done_ns)
        table.add_row(
            *(f"{time_ns / _SECOND_NS:.3f}" if time_ns >= 0 else "-" for time_ns in times),
            str(push.proxies),
            str(push.refused),
            "all" if push.full else "endpoints",
            "\n".join(push.changes),
        )
    return table


def _table(title: str, names: Iterable[str], others: Iterable[str]) -> Table:
    table = Table(
        title=f"\n{title}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in names:
        table.add_column(name, overflow="fold")
    for name in _FIGURES:
        table.add_column(name, justify="right", no_wrap=True)
    for name in others:
        table.add_column(name)
    return table


def _cells(figures: Figures) -> tuple[str, ...]:
    share = figures.success_share
    return (
        f"{figures.requests:,}",
        f"{figures.rate:,.1f}",
        "-" if share is None else f"{share * 100:.2f} %",
        *(_milliseconds(one) for one in (figures.p50_ns, figures.p90_ns, figures.p99_ns)),
    )


def _milliseconds(value_ns: float | None) -> str:
    return "-" if value_ns is None else f"{value_ns / _MILLISECOND_NS:,.2f}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share * 100:.1f} %" for name, share in shares.items())
