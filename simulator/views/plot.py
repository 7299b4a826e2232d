"""A run as figures: the mesh with its traffic, latencies, and versions over time.

Colours are Okabe and Ito's, which can be told apart with any kind of colour vision;
versions differ in line style too.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from simulator.scenario import Run, Scenario
from simulator.views.topology import layers, planned, seen

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, YELLOW, BLACK = "#56B4E9", "#D55E00", "#F0E442", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK)
_STYLES = ("-", "--", "-.", ":")
_MILLISECOND_NS = 1_000_000
_SOUND = 0.999
"""Edges with a smaller share of successes are drawn in red."""
_PERCENTILES = (0, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999)
_FILL = {"client": "#FFFFFF", "gateway": YELLOW, "workload": "#CFE8F7"}


def topology(source: Run | Scenario) -> Figure:
    """Draw who calls whom; for a run with rates, and in red where requests fail."""
    graph = seen(source) if isinstance(source, Run) else planned(source)
    places = _places(graph)
    width = max((x for x, _ in places.values()), default=0) + 1
    height = 2 * max((y for _, y in places.values()), default=0) + 1
    figure = Figure(figsize=(2.6 * width + 1, 1.1 * height + 1.2), layout="constrained")
    axes = figure.subplots()
    _edges(axes, graph, places, _nodes(axes, graph, places))
    title = source.title if isinstance(source, Run) else source.file.title
    measured = ", with requests a second and successes" if isinstance(source, Run) else ""
    axes.set_title(f"{title or 'Mesh'}: who calls whom{measured}", loc="left", fontsize=11)
    axes.margins(0.18)
    axes.set_axis_off()
    return figure


def latency(run: Run) -> Figure:
    """Draw each client's latency by percentile: how long the slowest 1 in N requests take."""
    figure, axes = _figure(f"{run.title or 'Run'}: latency by percentile")
    shares = 1 - np.logspace(0, -4, 200)
    for at, name in enumerate(run.clients):
        rows = run.requests[run.requests["client"] == run.names.index(name)]
        if not len(rows):
            continue
        # Beyond one request in as many as there are, nothing is known.
        known = shares[shares <= 1 - 1 / len(rows)]
        values = np.percentile(rows["duration_ns"], known * 100, method="inverted_cdf")
        axes.plot(1 / (1 - known), values / _MILLISECOND_NS, **_look(at), label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([1 / (1 - share) for share in _PERCENTILES]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_percentile_name))
    axes.set_xlabel("percentile of requests")
    axes.set_ylabel("latency in ms")
    axes.set_ylim(bottom=0)
    _finish(axes, "client")
    return figure


def shares(run: Run, name: str | None = None) -> Figure:
    """Draw which versions served a client or a service (the first client), second by second.

    Raises KeyError for a name that the run does not have.
    """
    chosen = name or run.clients[0]
    series = {one.name: one for one in run.series}[chosen]
    figure, axes = _figure(f"{chosen}: who served it")
    seconds = np.arange(len(series.rate) + 1) * series.step_ns / 1e9
    for at, (label, values) in enumerate(series.shares.items()):
        heights = [np.nan if value is None else value for value in values]
        # A step needs an end: the last second's value is drawn once more.
        axes.step(seconds, [*heights, *heights[-1:]], where="post", **_look(at), label=label)
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_xlabel("simulated time in s")
    axes.set_ylabel("share of requests")
    _finish(axes, "version")
    return figure


def _figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    return figure, axes


def _finish(axes: Axes, what: str) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(title=what, frameon=False)


def _look(at: int) -> dict[str, Any]:
    return {
        "color": COLOURS[at % len(COLOURS)],
        "linestyle": _STYLES[at % len(_STYLES)],
        "linewidth": 1.8,
    }


def _percentile_name(value: float, _: int) -> str:
    """Return `p99` for one in a hundred."""
    return f"p{100 * (1 - 1 / value):.4g}" if value >= 1 else ""


def _places(graph: nx.DiGraph[str]) -> dict[str, tuple[float, float]]:
    """Return where nodes stand: layers from left to right, by the alphabet from the top."""
    columns: dict[int, list[str]] = {}
    for name, layer in sorted(layers(graph).items()):
        columns.setdefault(layer, []).append(name)
    return {
        name: (float(layer), (len(names) - 1) / 2 - at)
        for layer, names in columns.items()
        for at, name in enumerate(names)
    }


def _nodes(axes: Axes, graph: nx.DiGraph[str], places: dict[str, Any]) -> dict[str, Patch | None]:
    """Draw a box for each node, and return the boxes."""
    boxes: dict[str, Patch | None] = {}
    for name, data in graph.nodes(data=True):
        label = data["label"].replace(".", "\n.", 1)
        drawn = axes.annotate(
            label,
            places[name],
            ha="center",
            va="center",
            fontsize=9,
            bbox={
                "boxstyle": "round,pad=0.5",
                "facecolor": _FILL[data["kind"]],
                "edgecolor": "0.3",
            },
            zorder=3,
        )
        boxes[name] = drawn.get_bbox_patch()
        axes.plot(*places[name], alpha=0)
    return boxes


def _edges(
    axes: Axes, graph: nx.DiGraph[str], places: dict[str, Any], boxes: dict[str, Patch | None]
) -> None:
    busiest = max((data.get("rate", 0) for *_, data in graph.edges(data=True)), default=0)
    for source, target, data in graph.edges(data=True):
        start, end = places[source], places[target]
        sound = (data.get("success_share") or 0) >= _SOUND if "rate" in data else True
        colour = "0.35" if sound else RED
        width = 1 + 2.5 * data.get("rate", 0) / busiest if busiest else 1.2
        axes.annotate(
            "",
            end,
            start,
            arrowprops={
                "arrowstyle": "-|>",
                "color": colour,
                "linewidth": width,
                "patchA": boxes[source],
                "patchB": boxes[target],
                "shrinkA": 2,
                "shrinkB": 3,
            },
            # Above the boxes: an arrow ends where a box was drawn just before.
            zorder=4,
        )
        if "rate" in data:
            text = f"{data['rate']:.4g}/s\n{100 * data['success_share']:.4g} %"
            axes.text(
                (start[0] + end[0]) / 2,
                (start[1] + end[1]) / 2,
                text,
                fontsize=7.5,
                color=colour if not sound else "0.15",
                ha="center",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
                zorder=5,
            )
