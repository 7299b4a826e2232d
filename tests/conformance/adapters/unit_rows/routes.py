"""Rows about routes: matches, delegates, mirrors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simulator.config.istio import (
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPMirrorPolicy,
    HTTPRoute,
    L4MatchAttributes,
    TLSMatchAttributes,
)
from simulator.config.model import Spec
from simulator.envoy_api import message, parse
from simulator.istiod import delegate, match, route, route_filters
from simulator.istiod.match import catches_all
from simulator.istiod.tcp_routes import l4_match

Row = dict[str, Any]
_HUMP = re.compile(r"(?<!^)([A-Z])")


def _catch_all(row: Row) -> tuple[object, object]:
    return catches_all(_snake(row["route"])), row["want"]


def _snake(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_HUMP.sub(r"_\1", name).lower(): _snake(inner) for name, inner in value.items()}
    return [_snake(each) for each in value] if isinstance(value, list) else value


def _mirror(row: Row) -> tuple[object, object]:
    given = dict(row["route"])
    given["mirror"] = {"host": "a", **given.get("mirror", {})}
    return route.mirror_share(HTTPRoute.model_validate(given)), _share(row.get("want"))


def _mirror_policy(row: Row) -> tuple[object, object]:
    given = dict(row["policy"])
    given["destination"] = {"host": "a", **given.get("destination", {})}
    got = route.mirror_policy_share(HTTPMirrorPolicy.model_validate(given))
    return got, _share(row.get("want"))


def _share(want: Row | None) -> Row | None:
    return {"denominator": "HUNDRED", **want["defaultValue"]} if want else None


def _source(row: Row) -> tuple[object, object]:
    args = row["args"]
    context = route.Context(
        labels=args.get("proxyLabels") or {},
        namespace=args.get("proxyNamespace") or "",
        port=args.get("port") or 0,
        gateways=frozenset(args.get("gatewayNames") or ()),
        tls=False,
        service=lambda _: None,
        hash_policy=lambda *_: None,
    )
    match = HTTPMatchRequest.model_validate(args.get("match") or {})
    return route.source_match(match, context), row["want"]


def _l4(row: Row) -> tuple[object, object]:
    args = row["args"]
    given = args.get("match")
    if given is None:
        return True, row["want"]
    sort = TLSMatchAttributes if "sniHosts" in given else L4MatchAttributes
    labels = args.get("proxyLabels") or args.get("labels") or {}
    gateways = args.get("gateways") or ()
    got = l4_match(
        sort.model_validate(given),
        labels,
        args.get("namespace") or "",
        args.get("port") or 0,
        gateways,
    )
    return got, row["want"]


def _folded(row: Row) -> tuple[object, object]:
    root = HTTPRoute.model_validate(row["root"])
    leaves = [HTTPRoute.model_validate(each) for each in row["delegate"]]
    folded = (delegate.fold(root, each) for each in leaves)
    got = [_plain(each) for each in folded if each is not None]
    return got, [_plain(HTTPRoute.model_validate(each)) for each in row.get("expected") or ()]


def _conditions(row: Row) -> tuple[object, object]:
    got = delegate.matches(_matches(row.get("root")), _matches(row.get("delegate")))
    want = _matches(row.get("expected"))
    return [_plain(each) for each in got or ()], [_plain(each) for each in want]


def _matches(given: list[Row] | None) -> tuple[HTTPMatchRequest, ...]:
    return tuple(HTTPMatchRequest.model_validate(each) for each in given or ())


def _conflict(row: Row) -> tuple[object, object]:
    root, leaf = (HTTPMatchRequest.model_validate(row.get(each) or {}) for each in ("root", "leaf"))
    return delegate.conflict(root, leaf), row["expected"]


def _plain(value: Spec) -> Row:
    return value.model_dump(exclude_defaults=True, exclude={"delegate"})


def _fault(row: Row) -> tuple[object, object]:
    kind = message("envoy.extensions.filters.http.fault.v3.HTTPFault")
    got = kind(**route_filters.fault(HTTPFaultInjection.model_validate(row["fault"])))
    return got, parse(row["want"], "envoy.extensions.filters.http.fault.v3.HTTPFault")


def _claim(row: Row) -> tuple[object, object]:
    return match.claim_of(row["name"]), row.get("want")


CHECKS = {
    "TestTranslateFault": _fault,
    "TestTranslateMetadataMatch": _claim,
    "TestIsCatchAllRoute": _catch_all,
    "TestMirrorPercent": _mirror,
    "TestMirrorPercentByPolicy": _mirror_policy,
    "TestSourceMatchHTTP": _source,
    "TestMatchTLS": _l4,
    "TestMatchTCP": _l4,
    "TestMergeHttpRoutes": _folded,
    "TestMergeHTTPMatchRequests": _conditions,
    "TestHasConflict": _conflict,
}
