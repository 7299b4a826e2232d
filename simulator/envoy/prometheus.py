"""Statistics in Prometheus' text form: parts of Envoy's names become labels.

Follows   envoy/source/server/admin/prometheus_stats.cc, source/common/config/well_known_names.cc
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TAGS = (
    ("envoy_response_code", re.compile(r"_rq_(?P<tag>\d{3})$"), "_rq"),
    ("envoy_response_code_class", re.compile(r"_rq_(?P<tag>\d)xx$"), "_rq_xx"),
    ("envoy_virtual_cluster", re.compile(r"(?<=\.vcluster\.)(?P<tag>[^.]+)\."), ""),
    ("envoy_virtual_host", re.compile(r"(?<=^vhost\.)(?P<tag>.+?)\.(?=vcluster\.)"), ""),
    ("envoy_http_conn_manager_prefix", re.compile(r"(?:(?<=^http\.)|(?<=\.http\.))(?P<tag>.+?)\."
                                                  r"(?=downstream_|no_|rq_)"), ""),
    ("envoy_listener_address", re.compile(r"(?<=^listener\.)(?P<tag>.+?)\.(?=http\.|downstream_)"),
     ""),
    ("envoy_cluster_name", re.compile(r"(?<=^cluster\.)(?P<tag>.+?)\.(?=(?:external\.|internal\.|"
                                      r"retry\.|circuit_breakers\.\w+\.|outlier_detection\.)?"
                                      r"\w+$)"), ""),
)  # fmt: skip
"""Each label, what of a name it is made from, and what stays in its place."""
_BAD = re.compile(r"[^a-zA-Z0-9_]")


def exposition(values: Iterable[tuple[str, int, str]]) -> str:
    """Return the text of `(name, value, kind)`; counters come before gauges, as in Envoy."""
    families: dict[tuple[str, str], list[str]] = {}
    for name, value, kind in values:
        metric, labels = _labelled(name)
        told = ",".join(f'{key}="{text}"' for key, text in labels)
        families.setdefault((kind, metric), []).append(f"{metric}{{{told}}} {value}\n")
    lines = []
    for (kind, metric), samples in sorted(families.items()):
        lines += [f"# TYPE {metric} {kind}\n", *samples]
    return "".join(lines)


def _labelled(name: str) -> tuple[str, list[tuple[str, str]]]:
    """Return a metric's name and its labels."""
    labels: list[tuple[str, str]] = []
    for label, pattern, rest in _TAGS:
        found = pattern.search(name)
        if found is not None:
            labels.append((label, found["tag"].replace("\\", "\\\\").replace('"', '\\"')))
            name = name[: found.start()] + rest + name[found.end() :]
    return "envoy_" + _BAD.sub("_", name), labels
