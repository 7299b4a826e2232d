"""Rows under columns, and how istioctl names what a resource comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_CONFIG_PARTS = 8
"""Of `/apis/GROUP/VERSION/namespaces/NAMESPACE/KIND/NAME`, split at each slash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a command of istioctl prints."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def managed_by(resource: Any) -> str:  # noqa: ANN401 - made at run time
    """Return NAME.NAMESPACE of the object that istiod made a resource from; empty if of none."""
    fields = resource.metadata.filter_metadata
    if "istio" not in fields or "config" not in fields["istio"].fields:
        return ""
    parts = fields["istio"].fields["config"].string_value.split("/")
    return f"{parts[7]}.{parts[5]}" if len(parts) == _CONFIG_PARTS else ""
