"""Write header operations of a VirtualService as Envoy's.

Models    envoy.config.core.v3.HeaderValueOption
Follows   istio pilot/pkg/networking/core/route/route.go (TranslateHeadersOperations)
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.config.istio import HeaderOperations, Headers
from simulator.config.objects import Object
from simulator.istiod.part import Part

_FIELDS = {
    "request": ("request_headers_to_add", "request_headers_to_remove"),
    "response": ("response_headers_to_add", "response_headers_to_remove"),
}


def apply(part: Part, headers: Headers | None, source: Object, at: str) -> str:
    """Append the operations to a route's (or weighted cluster's) and return the new authority.

    Headers of a route come before those of its single destination.
    """
    if headers is None:
        return ""
    authority = ""
    for side, (add, remove) in _FIELDS.items():
        operations: HeaderOperations | None = getattr(headers, side)
        if operations is None:
            continue
        place = f"{at}.{side}"
        _extend(part, add, _additions(operations.set, "set", source, place))
        _extend(part, add, _additions(operations.add, "add", source, place))
        for index, name in enumerate(operations.remove or ()):
            if not _internal(name):
                names = part.value.setdefault(remove, [])
                part.note(f"{remove}[{len(names)}]", source, f"{place}.remove[{index}]")
                names.append(name)
        if side == "request":
            authority = _authority(operations.set) or _authority(operations.add)
    return authority


def _extend(part: Part, field: str, additions: list[Part]) -> None:
    items = part.value.setdefault(field, [])
    for each in additions:
        for path, position in each.sources.items():
            part.sources[f"{field}[{len(items)}]{path}"] = position
        items.append(each.value)
    if not items:
        del part.value[field]


def _additions(
    values: Mapping[str, str] | None, verb: str, source: Object, place: str
) -> list[Part]:
    action = "OVERWRITE_IF_EXISTS_OR_ADD" if verb == "set" else "APPEND_IF_EXISTS_OR_ADD"
    parts = []
    for name, value in sorted((values or {}).items()):
        if _internal(name):
            continue
        part = Part(value={"header": {"key": name, "value": value}, "append_action": action})
        part.note("", source, f"{place}.{verb}.{name}")
        parts.append(part)
    return parts


def _internal(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"


def _authority(values: Mapping[str, str] | None) -> str:
    chosen = ""
    for name, value in sorted((values or {}).items()):
        if name.lower() in {":authority", "host"}:
            chosen = value
    return chosen
