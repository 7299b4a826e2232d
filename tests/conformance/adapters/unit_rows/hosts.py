"""Rows about hosts, labels, protocols and localities."""

from __future__ import annotations

from typing import Any

from simulator.istiod import locality, names, protocol
from simulator.istiod.registry import Locality
from simulator.istiod.services import selects

Row = dict[str, Any]


def _matches(row: Row) -> tuple[object, object]:
    return names.matches(row["a"], row["b"]), row["out"]


def _subset_of(row: Row) -> tuple[object, object]:
    return names.subset_of(row["a"], row["b"]), row["out"]


def _intersection(row: Row) -> tuple[object, object]:
    return names.intersection(row["a"], row["b"]), row["intersection"]


def _for_namespace(row: Row) -> tuple[object, object]:
    return names.for_namespace(row["hosts"], row["namespace"]), row["want"]


def _sorted(row: Row) -> tuple[object, object]:
    return sorted(row["in"], key=names.by_specificity), row["want"]


def _more_specific(row: Row) -> tuple[object, object]:
    first, second = (names.by_specificity(row[each]) for each in ("host1", "host2"))
    return first < second, row["expected"]


def _labels(row: Row) -> tuple[object, object]:
    left, right = row.get("left") or {}, row.get("right") or {}
    selected = selects(left, right)
    # An empty selector selects nothing, though nothing is a part of everything.
    return {"subsetOf": selected or not left, "selected": selected}, row["expected"]


def _protocol(row: Row) -> tuple[object, object]:
    got = protocol.of_port(
        row["port"], row["portName"], row.get("appProto"), row.get("proto") or "TCP"
    )
    return got.value, row["expectedProto"]


def _locality(row: Row) -> tuple[object, object]:
    found = Locality.parse(row["locality"])
    got = {"region": found.region, "zone": found.zone, "subZone": found.subzone}
    return {name: value for name, value in got.items() if value}, row["want"]


def _locality_match(row: Row) -> tuple[object, object]:
    given = row["locality"]
    place = Locality(given.get("region", ""), given.get("zone", ""), given.get("subZone", ""))
    return locality.matches(place, row["rule"]), row["match"]


def _domain(row: Row) -> tuple[object, object]:
    return names.virtual_host(row["host"], row["port"]), row["match"]


CHECKS = {
    "TestNameMatches": _matches,
    "TestNameSubsetOf": _subset_of,
    "TestNamesIntersection": _intersection,
    "TestNamesForNamespace": _for_namespace,
    "TestNamesSortOrder": _sorted,
    "TestMoreSpecific": _more_specific,
    "TestInstance": _labels,
    "TestConvertProtocol": _protocol,
    "TestConvertLocality": _locality,
    "TestLocalityMatch": _locality_match,
    "TestDomainName": _domain,
}
