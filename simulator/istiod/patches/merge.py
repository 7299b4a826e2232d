"""Merge messages, and put patches into lists, as istiod does.

Follows   istio pkg/proto/merge, pilot/pkg/networking/core/envoyfilter/patch_ops.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from simulator.envoy_api import name_of, pack, unpack
from simulator.istiod.patches.patch import Placed

_ANY = "google.protobuf.Any"
_DURATION = "google.protobuf.Duration"


def merge(target: Any, patch: Any) -> None:  # noqa: ANN401 - protobuf
    """Merge a message into another of its kind: lists grow, packed messages merge inside.

    A duration is taken whole, as its parts mean nothing alone.
    """
    if name_of(target) == _ANY:
        _merge_packed(target, patch)
        return
    for field, value in patch.ListFields():
        inner = getattr(target, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _merge_map(inner, value, field)
        elif _repeated(field):
            inner.extend(value)
        elif field.message_type is None:
            setattr(target, field.name, value)
        elif field.message_type.full_name == _DURATION:
            inner.CopyFrom(value)
        else:
            # A message without fields set is there all the same.
            inner.SetInParent()
            merge(inner, value)


def _repeated(field: Any) -> bool:  # noqa: ANN401 - a descriptor
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == 3)


def _merge_map(target: Any, patch: Any, field: Any) -> None:  # noqa: ANN401 - protobuf
    if field.message_type.fields_by_name["value"].message_type is None:
        target.update(patch)
        return
    for name in patch:
        if name in target:
            merge(target[name], patch[name])
        else:
            target[name].CopyFrom(patch[name])


def _merge_packed(target: Any, patch: Any) -> None:  # noqa: ANN401 - protobuf
    if target.type_url != patch.type_url:
        target.CopyFrom(patch)
        return
    inside = unpack(target)
    merge(inside, unpack(patch))
    target.CopyFrom(pack(inside))


def into_list(
    items: Any,  # noqa: ANN401 - a repeated field
    found: Iterable[Placed],
    matches: Callable[[Placed, Any], bool],
    named: Callable[[Placed], bool],
) -> bool:
    """Apply patches to a repeated field of filters or routes; return whether anything changed.

    `matches` says whether a patch is for an item, `named` whether it names one at all.
    """
    changed = False
    for patch in found:
        at = next((i for i, each in enumerate(items) if matches(patch, each)), None)
        if patch.operation == "ADD" or not named(patch):
            changed |= _put(items, patch, first=0, after=len(items))
        elif at is not None:
            changed |= _put(items, patch, first=at, after=at + 1)
        if at is not None:
            changed |= _change(items, patch, [each for each in items if matches(patch, each)])
    return changed


def _put(items: Any, patch: Placed, *, first: int, after: int) -> bool:  # noqa: ANN401 - a repeated field
    """Put a patch's value in before or after an item; return whether that was asked for."""
    places = {"INSERT_FIRST": 0, "INSERT_BEFORE": first, "INSERT_AFTER": after, "ADD": len(items)}
    at = places.get(patch.operation)
    if at is None or patch.value is None:
        return False
    items.insert(at, patch.value)
    return True


def _change(items: Any, patch: Placed, fitting: list[Any]) -> bool:  # noqa: ANN401 - a repeated field
    """Change the items that a patch is for; return whether that was asked for."""
    if patch.operation == "REMOVE":
        kept = [_copy(each) for each in items if not any(each is one for one in fitting)]
        del items[:]
        items.extend(kept)
    elif patch.value is None:
        return False
    elif patch.operation == "REPLACE":
        fitting[0].CopyFrom(patch.value)
    elif patch.operation in {"MERGE", "MERGE_AND_REPLACE_LIST"}:
        for each in fitting:
            merge(each, patch.value)
    else:
        return False
    return True


def _copy(item: Any) -> Any:  # noqa: ANN401 - protobuf
    copy = type(item)()
    copy.CopyFrom(item)
    return copy
