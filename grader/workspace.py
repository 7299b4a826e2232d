"""A learner's files beside the lab's own, read once: manifests, findings, a digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from grader.lab import Lab
from simulator.config.load import load_texts
from simulator.config.objects import Manifests
from simulator.diagnostics import Diagnostic, Level, diagnose
from simulator.istiod.analyze import analyze
from simulator.scenario import Scenario

_SIZE_MAX = 1 << 20


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
        text = _text(folder / name)
        if text is None:
            own.append(diagnose("missing-file", path=name))
        else:
            learners.append((name, text))
    own += [
        diagnose("undeclared-file", path=path.name, files=", ".join(lab.files))
        for path in sorted(folder.glob("*.y*ml"))
        if path.name not in (*lab.files, *lab.given)
    ]
    manifests = load_texts([*_given(lab), *learners])
    own += _kinds(lab, manifests)
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


def _text(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _SIZE_MAX:
        return None
    return path.read_bytes().decode("utf-8", errors="replace")


def _kinds(lab: Lab, manifests: Manifests) -> list[Diagnostic]:
    # EnvoyFilter and its like carry code into a real Envoy: they are refused before one starts.
    return [
        diagnose(
            "kind-not-allowed",
            position=each.position,
            resource=each.ref,
            kind=each.kind,
            kinds=", ".join(lab.kinds),
        )
        for each in manifests.objects
        if each.position.file in lab.files and each.kind not in lab.kinds
    ]


def _digest(texts: list[tuple[str, str]]) -> str:
    whole = hashlib.sha256()
    for name, text in texts:
        for part in (name, text):
            data = part.encode()
            whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()
