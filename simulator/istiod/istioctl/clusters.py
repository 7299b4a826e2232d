"""The clusters of a proxy as `istioctl proxy-config clusters` shows them.

Follows   istio istioctl/pkg/writer/envoy/configdump/cluster.go
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from simulator.envoy_api import message
from simulator.istiod.istioctl.table import Table, managed_by


class Key(NamedTuple):
    """What a cluster's name says, in the order by which they are listed."""

    host: str
    subset: str = ""
    port: int = 0
    direction: str = ""

    @classmethod
    def of(cls, name: str) -> Key:
        """Return the parts of `DIRECTION|PORT|SUBSET|HOST`; of any other name, the whole of it."""
        direction, _, rest = name.partition("|")
        port, _, rest = rest.partition("|")
        subset, found, host = rest.partition("|")
        if not found or not port.isdecimal():
            return cls(name)
        return cls(host, subset, int(port), direction)


def select(
    clusters: Iterable[Any], *, fqdn: str = "", port: int = 0, subset: str = "", direction: str = ""
) -> tuple[Any, ...]:
    """Return those whose names hold what is asked for, by host."""
    wanted = (fqdn, subset, direction, f"|{port}|" if port else "")
    chosen = (each for each in clusters if all(part in each.name for part in wanted))
    return tuple(sorted(chosen, key=lambda each: Key.of(each.name)))


def table(clusters: Iterable[Any]) -> Table:
    """Return a row for each."""
    kinds = message("envoy.config.cluster.v3.Cluster").DESCRIPTOR.fields_by_name["type"].enum_type
    rows = []
    for each in clusters:
        key = Key.of(each.name)
        kind = kinds.values_by_number[each.type].name
        place = str(key.port), key.subset or "-", key.direction
        rows.append((key.host, *(place if key.direction else "---"), kind, managed_by(each)))
    columns = ("SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE")
    return Table(columns=columns, rows=tuple(rows))
