"""A run's metrics in Prometheus' text format, for its rules and Istio's dashboards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.engine.metrics import DURATION
from simulator.scenario import Run

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def text(run: Run) -> str:
    """Return Istio's standard metrics, each family after its type."""
    return "".join(f"{line}\n" for line in _lines(run))


def _lines(run: Run) -> Iterator[str]:
    families: dict[str, list[str]] = {}
    for each in run.metrics:
        family = DURATION if each.name.startswith(DURATION) else each.name
        line = f"{each.name}{{{_labels(each.labels)}}} {each.value}"
        families.setdefault(family, []).append(line)
    for family, lines in families.items():
        yield f"# TYPE {family} {'histogram' if family == DURATION else 'counter'}"
        yield from lines


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
