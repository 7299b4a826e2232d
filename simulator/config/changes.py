"""Manifests as they change: objects applied, edited, deleted and scaled, as kubectl does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from simulator.config.events import Event
from simulator.config.load import load, load_texts
from simulator.config.objects import Manifests, Object
from simulator.diagnostics import Diagnostic, diagnose

WORKLOADS = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "DaemonSet", "Pod"})
"""Kinds that make pods."""

_Key: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an event makes of the manifests."""

    put: tuple[Object, ...] = ()
    """Objects that are new, or take the place of others."""
    removed: tuple[Object, ...] = ()
    words: tuple[str, ...] = ()
    """What happens, one object each."""
    diagnostics: tuple[Diagnostic, ...] = ()


def read(event: Event, number: int, base: Path) -> Manifests:
    """Return the objects that an event applies; files are relative to `base`."""
    files = [str(base / each) for each in event.apply if isinstance(each, str)]
    inline = [each for each in event.apply if not isinstance(each, str)]
    found = load(files)
    text = yaml.safe_dump_all(inline, sort_keys=False)
    here = load_texts([(f"events[{number}].apply", text)] if inline else [])
    return Manifests(
        objects=(*found.objects, *here.objects),
        diagnostics=(*found.diagnostics, *here.diagnostics),
    )


def change(manifests: Manifests, event: Event, applied: Sequence[Object]) -> Change:
    """Return what an event makes of the manifests as they are; `applied` is what `read` gave."""
    if event.edit is not None:
        return _edited(manifests, event.edit.object, event.edit.merge)
    if event.scale is not None:
        return _scaled(manifests, event.scale.workload, event.scale.replicas)
    removed, missing = [], []
    for name in event.delete:
        found = _find(manifests, name)
        if found is None:
            missing.append(_unknown(name))
        else:
            removed.append(found)
    words = [f"{each.ref} applied" for each in applied]
    words += [f"{each.ref} deleted" for each in removed]
    return Change(
        put=tuple(applied),
        removed=tuple(removed),
        words=tuple(words),
        diagnostics=tuple(missing),
    )


def changed(
    manifests: Manifests, put: Iterable[Object], removed: Iterable[Object], at_ns: int
) -> Manifests:
    """Return the manifests with some objects put in and others taken out, at a time.

    What is new is younger than all that was there; what takes another's place keeps its age.
    """
    objects = {_key(each): each for each in manifests.objects}
    for each in removed:
        objects.pop(_key(each), None)
    number = max((each.index for each in manifests.objects), default=-1)
    for each in put:
        known = objects.get(_key(each))
        number += known is None
        objects[_key(each)] = replace(
            each,
            index=number if known is None else known.index,
            created=(each.created or _time(at_ns)) if known is None else known.created,
        )
    return Manifests(objects=tuple(objects.values()), diagnostics=manifests.diagnostics)


def _edited(manifests: Manifests, name: str, patch: Mapping[str, Any]) -> Change:
    known = _find(manifests, name)
    if known is None:
        return Change(diagnostics=(_unknown(name),))
    text = yaml.safe_dump(_merged(known.positions.root.plain(), patch), sort_keys=False)
    read = load_texts([(f"{known.ref}, edited", text)])
    words = tuple(f"{each.ref} edited" for each in read.objects)
    return Change(put=read.objects, words=words, diagnostics=read.diagnostics)


def _scaled(manifests: Manifests, workload: str, replicas: int) -> Change:
    for kind in ("Deployment", "StatefulSet", "ReplicaSet"):
        known = _find(manifests, f"{kind}/{workload}")
        if known is not None:
            spec = known.spec.model_copy(update={"replicas": replicas})
            words = (f"{known.ref} scaled to {replicas}",)
            return Change(put=(replace(known, spec=spec),), words=words)
    return Change(diagnostics=(_unknown(f"Deployment/{workload}"),))


def _merged(value: Any, patch: Any) -> Any:  # noqa: ANN401 - any YAML
    """Return a value with a JSON merge patch (RFC 7396) in it."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(value) if isinstance(value, Mapping) else {}
    for name, inner in patch.items():
        if inner is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), inner)
    return found


def _find(manifests: Manifests, name: str) -> Object | None:
    kind, _, called = name.partition("/")
    for each in manifests.objects:
        if each.kind.lower() != kind.lower():
            continue
        full = f"{each.name}.{each.namespace}" if each.namespace else each.name
        if called == full or (called == each.name and each.namespace in {"", "default"}):
            return each
    return None


def _unknown(name: str) -> Diagnostic:
    return diagnose("scenario-object", object=name)


def _key(each: Object) -> _Key:
    return each.type, each.namespace, each.name


def _time(at_ns: int) -> str:
    moment = datetime.fromtimestamp(_EPOCH_S + at_ns / 1e9, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_EPOCH_S = 1_767_225_600
"""When a simulation begins: the first second of 2026."""
