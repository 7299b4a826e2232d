"""Rules of a VirtualService that no request comes to.

Follows   istio pkg/config/validation/validation.go (analyzeUnreachableHTTPRules, coveredValidation)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.config.istio import HTTPMatchRequest, StringMatch
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh

_Prefixed = tuple[str, str, HTTPMatchRequest, str]


def unreachable_rules(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0130 for rules that are never reached, IST0131 for conditions without effect."""
    for source in mesh.manifests.of("VirtualService"):
        yield from shadowed_rules(source)


def shadowed_rules(source: Object) -> Iterator[Diagnostic]:
    """Yield the rules and conditions of a VirtualService that earlier ones leave nothing to."""
    for kind in ("http", "tls", "tcp"):
        yield from _rules(source, kind)
    yield from _covered(source)


def _rules(source: Object, kind: str) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    catch_all = ""
    for at, rule in enumerate(getattr(source.spec, kind)):
        place = f"spec.{kind}[{at}]"
        if not rule.match:
            if catch_all:
                reason = f"{catch_all} takes every request before it"
                yield report("IST0130", source, place, reason=reason)
            catch_all = place
            continue
        duplicates = 0
        for index, match in enumerate(rule.match):
            if catch_all:
                reason = f"{catch_all} takes every request before it"
                yield report("IST0130", source, place, reason=reason)
                continue
            key = match.model_dump_json(exclude={"name"})
            if key in seen:
                yield report("IST0131", source, f"{place}.match[{index}]", other=seen[key])
                duplicates += 1
            else:
                seen[key] = f"{place}.match[{index}]"
        if duplicates == len(rule.match):
            reason = "earlier rules have all of its conditions"
            yield report("IST0130", source, place, reason=reason)


def _covered(source: Object) -> Iterator[Diagnostic]:
    prefixed = list(_prefixed(source))
    for first, (prefix, place, match, _) in enumerate(prefixed):
        for later_prefix, later_place, later, _ in prefixed[first + 1 :]:
            if later_prefix != prefix and later_prefix.startswith(prefix) and _covers(match, later):
                yield report("IST0131", source, later_place, other=place)


def _prefixed(source: Object) -> Iterator[_Prefixed]:
    """Yield the different conditions on a path's prefix, up to the first rule without any."""
    seen: set[str] = set()
    for at, rule in enumerate(source.spec.http):
        if not rule.match:
            return
        for index, match in enumerate(rule.match):
            key = match.model_dump_json(exclude={"name"})
            if key in seen:
                continue
            seen.add(key)
            if match.uri is not None and match.uri.prefix is not None:
                yield match.uri.prefix, f"spec.http[{at}].match[{index}]", match, key


def _covers(first: HTTPMatchRequest, later: HTTPMatchRequest) -> bool:
    if first.port not in {0, later.port} or first.source_labels or first.gateways:
        return False
    if first.source_namespace or first.without_headers != later.without_headers:
        return False
    for field in ("headers", "query_params"):
        before: Mapping[str, StringMatch] = getattr(first, field)
        after: Mapping[str, StringMatch] = getattr(later, field)
        if any(name not in after or not _wider(before[name], after[name]) for name in before):
            return False
    return all(
        _wider(getattr(first, field), getattr(later, field))
        for field in ("method", "authority", "scheme")
    )


def _wider(first: StringMatch | None, later: StringMatch | None) -> bool:
    """Say whether `first` takes all that `later` takes."""
    if first is None or first == later:
        return True
    if later is None or first.prefix is None:
        return False
    return (later.exact or later.prefix or "").startswith(first.prefix)
