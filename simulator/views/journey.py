"""One request's way as text: a row for each proxy, and why each decided as it did."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from simulator.observe.explain import Node, Outcome
from simulator.observe.observation import Hop, Observation
from simulator.views.table import rendered

_MILLISECOND_NS = 1_000_000
_MARKS = {Outcome.CHOSEN: "✓", Outcome.REJECTED: "✗", Outcome.NOTE: "·"}
_SUFFIX = ".svc.cluster.local"


def line(seen: Observation) -> str:
    """Return a request's fate in one line: status, who answered, how long it took, flags."""
    parts = [f"{seen.id} #{seen.n}", str(seen.status) if seen.status is not None else "no response"]
    if seen.upstream is not None:
        parts.append(f"from {seen.upstream.pod or seen.upstream.address}")
    if seen.attempts is not None and seen.attempts > 1:
        parts.append(f"in {seen.attempts} tries")
    if seen.duration_ns is not None:
        parts.append(f"after {seen.duration_ns / _MILLISECOND_NS:.2f} ms")
    if seen.response_flags:
        parts.append(",".join(seen.response_flags))
    if seen.error is not None:
        parts.append(f"({seen.error})")
    return " ".join(parts)


def logged(seen: Observation) -> Iterator[str]:
    """Yield what the access logs of the proxies say of a request, each line after its proxy."""
    for hop in seen.hops:
        for each in hop.logged or ():
            for text in each.text.splitlines():
                yield f"  {hop.proxy} {hop.direction} {each.sink}: {text}"


def hops(seen: Observation, *, width: int = 110) -> str:
    """Return a table of the proxies that a request passed, in the order of its arrival there."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("", "proxy", "direction", "cluster", "sent to"):
        table.add_column(name, overflow="fold")
    for name in ("tries", "status", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("flags", no_wrap=True)
    for number, hop in enumerate(seen.hops, start=1):
        table.add_row(str(number), *_cells(hop))
    return rendered(table, width=width)


def reasons(seen: Observation, *, rejected: bool = True, width: int = 110) -> str:
    """Return the tree of decisions of a request that was probed with `explain`.

    Raises ValueError for an observation without one.
    """
    if seen.explain is None:
        message = f"{seen.id} was not explained; probe it with explain=True"
        raise ValueError(message)
    return rendered(tree(seen.explain, rejected=rejected), width=width)


def _cells(hop: Hop) -> tuple[str, ...]:
    to = hop.upstream
    return (
        hop.proxy.removesuffix(".default"),
        hop.direction,
        (hop.cluster or "").removesuffix(_SUFFIX),
        ((to.pod or to.address or "") if to else "").removesuffix(".default"),
        "" if hop.attempts is None else str(hop.attempts),
        "" if hop.status is None else str(hop.status),
        "" if hop.duration_ns is None else f"{hop.duration_ns / _MILLISECOND_NS:.2f}",
        ",".join(hop.response_flags),
    )


def tree(node: Node, *, rejected: bool = True) -> Tree:
    """Return decisions for a rich console, each with the manifest's line behind it."""
    label = Text(f"{_MARKS[node.outcome]} {node.what} {node.name}: {node.reason}")
    if node.source is not None:
        label.append(f"  [{node.source}]")
    grown = Tree(label)
    for child in node.children:
        if rejected or child.outcome is not Outcome.REJECTED:
            grown.children.append(tree(child, rejected=rejected))
    return grown
