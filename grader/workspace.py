"""A learner's files beside the lab's own, read once: manifests, findings, a digest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.lab import Lab
from simulator.config.load import load_texts
from simulator.config.objects import Manifests
from simulator.config.yaml import decode, documents
from simulator.diagnostics import Diagnostic, Level, Position, diagnose
from simulator.istiod.analyze import analyze
from simulator.scenario import Scenario

_BYTES_MAX = 64 << 10
"""What a learner writes is a few KB; the time to try it grows with it."""
_UNDECLARED_MAX = 20
"""So many files that do not belong here are named."""
_IRREGULAR = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What a learner handed in, together with what the lab gives."""

    manifests: Manifests
    diagnostics: tuple[Diagnostic, ...]
    refused: tuple[Diagnostic, ...]
    """Errors with which nothing can be run."""
    digest: str


def read(lab: Lab, folder: Path) -> Workspace:
    """Read the lab's manifests and, of a folder, the files that the lab lets a learner edit."""
    own: list[Diagnostic] = []
    learners: list[tuple[str, str]] = []
    for name in lab.files:
        text, found = _text(lab, folder, name)
        own += found
        if text is not None:
            learners.append((name, text))
    own += _undeclared(lab, folder)
    given = load_texts(_given(lab))
    manifests = load_texts([*_given(lab), *learners])
    own += [found for name, text in learners for found in _kinds(lab, name, text)]
    own += _taken(lab, given, manifests)
    found = tuple(dict.fromkeys((*own, *analyze(manifests))))
    return Workspace(
        manifests=manifests,
        diagnostics=found,
        refused=tuple(each for each in (*own, *manifests.diagnostics) if each.level is Level.ERROR),
        digest=_digest(learners),
    )


def situations(lab: Lab, workspace: Workspace) -> dict[str, Scenario]:
    """Return the lab's scenario (under the empty name) and those of its situations.

    Raises ScenarioError where the learner's manifests cannot be played.
    """
    file = lab.scenario.model_copy(update={"manifests": ()})
    found = {"": Scenario.of(workspace.manifests, file)}
    for name, situation in lab.situations.items():
        workloads = {**file.workloads, **situation.workloads}
        changed = file.model_copy(update={"workloads": workloads})
        found[name] = Scenario.of(workspace.manifests, changed)
    return found


def lab_digest(lab: Lab) -> str:
    """Return a digest of all in a lab that decides about marks."""
    names = ("lab.yaml", "scenario.yaml", *lab.scenario.manifests)
    return _digest([(name, (lab.folder / name).read_text(encoding="utf-8")) for name in names])


def _given(lab: Lab) -> list[tuple[str, str]]:
    return [
        (name, (lab.folder / name).read_text(encoding="utf-8")) for name in lab.scenario.manifests
    ]


def _text(lab: Lab, folder: Path, name: str) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """Return what a file of the learner's holds, or what it is that cannot be read."""
    try:
        data = _bytes(folder / name)
    except FileNotFoundError:
        files = " and ".join(lab.files)
        return None, (diagnose("not-handed-in", path=name, files=files),)
    except _IrregularError as error:
        return None, (diagnose("not-a-file", path=name, what=error),)
    except OSError as error:
        reason = error.strerror or str(error)
        return None, (diagnose("unreadable-file", path=name, reason=reason),)
    if len(data) > _BYTES_MAX:
        place = Position(name, 1)
        return None, (diagnose("too-large", position=place, limit=_BYTES_MAX, what="bytes"),)
    return decode(name, data)


class _IrregularError(Exception):
    """Something other than a plain file; says what."""


def _bytes(path: Path) -> bytes:
    """Return a plain file's first bytes, one more than are allowed; follow and await nothing."""
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind != stat.S_IFREG:
        raise _IrregularError(_IRREGULAR.get(kind, "a device"))
    # What was a file a moment ago may be a link or a pipe by now.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _IrregularError("no plain file")
        return file.read(_BYTES_MAX + 1)


def _undeclared(lab: Lab, folder: Path) -> list[Diagnostic]:
    names = sorted(each.name for each in folder.glob("*.y*ml"))
    extra = [name for name in names if name not in (*lab.files, *lab.given)]
    return [
        diagnose("undeclared-file", path=ascii(name)[1:-1], files=", ".join(lab.files))
        for name in extra[:_UNDECLARED_MAX]
    ]


def _kinds(lab: Lab, name: str, text: str) -> Iterator[Diagnostic]:
    """Yield what is of a kind that the lab does not allow, whether it can be read or not.

    EnvoyFilter and its like carry code into a real Envoy: they are refused before one starts.
    """
    for document in documents(name, text)[0]:
        for field, kind in _written_kinds(document.value):
            if kind not in lab.kinds:
                yield diagnose(
                    "kind-not-allowed",
                    position=document.positions.nearest(field),
                    kind=ascii(kind)[1:-1],
                    kinds=", ".join(lab.kinds),
                )


def _written_kinds(value: Any, path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - raw
    """Yield the field and the value of each object's kind, those of a `List` one by one."""
    if not isinstance(value, dict):
        return
    kind, items = value.get("kind"), value.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for at, item in enumerate(items):
            yield from _written_kinds(item, f"{path}items[{at}].")
    elif isinstance(kind, str):
        yield f"{path}kind", kind


def _taken(lab: Lab, given: Manifests, manifests: Manifests) -> list[Diagnostic]:
    """Return what of the lab's own objects the learner's files would replace."""
    names = {(each.kind, each.namespace, each.name) for each in given.objects}
    return [
        diagnose("given-object", position=each.position, resource=each.ref)
        for each in manifests.objects
        if each.position.file in lab.files and (each.kind, each.namespace, each.name) in names
    ]


def _digest(texts: list[tuple[str, str]]) -> str:
    whole = hashlib.sha256()
    for name, text in texts:
        for part in (name, text):
            data = part.encode()
            whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()
