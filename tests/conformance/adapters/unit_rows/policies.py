"""Rows about traffic policies and what of them wins."""

from __future__ import annotations

from typing import Any, cast

from simulator.config.istio import LocalityLbSetting, TrafficPolicy
from simulator.config.objects import Object
from simulator.istiod import locality, names, traffic_policy
from simulator.istiod.part import istio_metadata
from simulator.istiod.registry import Service
from simulator.istiod.tcp_routes import chain_match

Row = dict[str, Any]
_NOWHERE = cast("Object", None)
_WISHES = {0: "", 1: "PreferSameZone", 2: "PreferSameNode"}


def _blocks(policy: Row | None, port: int) -> dict[str, Any]:
    if policy is None:
        return {}
    found = traffic_policy.blocks(TrafficPolicy.model_validate(policy), port, _NOWHERE, "")
    return {name: block.value for name, block in found.items()}


def _merged(row: Row) -> tuple[object, object]:
    port = (row.get("port") or {}).get("port", 0)
    got = {**_blocks(row.get("original"), port), **_blocks(row.get("subset"), port)}
    return got, _blocks(row.get("expected"), port)


def _effective(row: Row) -> tuple[object, object]:
    if "meshZoneAware" in row or "expectedZoneAware" in row:
        return "zone-aware routing is not modelled", "it is"
    rule = (row.get("dr") or {}).get("localityLbSetting")
    wish = ((row.get("svc") or {}).get("attributes") or {}).get("trafficDistribution", 0)
    got, forced = locality.effective(
        _setting(row.get("meshLocality")), _setting(rule), _service(_WISHES.get(wish, ""))
    )
    return (got, forced), (_setting(row.get("expectedLocality")), row["expectedForce"])


def _setting(given: Row | None) -> LocalityLbSetting | None:
    if given is None:
        return None
    cleaned = {
        name: [each or {} for each in value] if isinstance(value, list) else value
        for name, value in given.items()
    }
    return LocalityLbSetting.model_validate(cleaned)


def _service(wish: str) -> Service:
    return Service(
        hostname="a", name="a", namespace="a", ip="0.0.0.0", ports=(), traffic_distribution=wish
    )


def _cidr(row: Row) -> tuple[object, object]:
    ranges = chain_match([row["addr"]]).get("prefix_ranges", [])
    got = [
        {"addressPrefix": each["address_prefix"], "prefixLen": each["prefix_len"]["value"]}
        for each in ranges
    ]
    return got, [row["want"]] if row.get("want") else []


def _config_metadata(row: Row) -> tuple[object, object]:
    kind = row["in"]["type"]
    version = f"{kind['group']}/{kind['version']}"
    path = names.config_path(version, kind["kind"], row["in"]["namespace"], row["in"]["name"])
    got = istio_metadata({"config": path})["filter_metadata"]["istio"]["config"]
    fields = row["want"]["filterMetadata"]["IstioMetadataKey"]["fields"]
    return got, fields["config"]["stringValue"]


CHECKS = {
    "TestMergeSubsetTrafficPolicy": _merged,
    "TestGetEffectiveLbSetting": _effective,
    "TestConvertAddressToCidr": _cidr,
    "TestBuildConfigInfoMetadata": _config_metadata,
    "TestAddConfigInfoMetadata": _config_metadata,
}
