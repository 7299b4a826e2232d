"""Manifests in files, read into objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from simulator.config.gateway_api.rules import broken
from simulator.config.kinds import Kind, kind_of, kinds_of, known
from simulator.config.kubernetes import TemplateMetadata
from simulator.config.mistakes import mistakes, near
from simulator.config.model import Spec, Text
from simulator.config.nodes import Mapped, Node, Positions
from simulator.config.nodes import Sequence as Listed
from simulator.config.objects import Manifests, Object
from simulator.config.yaml import decode, documents
from simulator.diagnostics import Diagnostic, Position, diagnose

_Spec = TypeVar("_Spec", bound=Spec)
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_STDIN = "-"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LONGEST_NAME = 253
_OUTER = frozenset({"apiVersion", "kind", "metadata", "status"})


class _Metadata(TemplateMetadata):
    creation_timestamp: Text = ""
    also = TemplateMetadata.also.replace("creationTimestamp ", "")

    namespace: Text = "default"
    name: Text = Field(min_length=1)


class _Installation(_Metadata):
    """Of what only istioctl reads, which needs no name."""

    name: Text = "installed-state"


def load(paths: Sequence[str], stdin_text: str | None = None) -> Manifests:
    """Return the objects of files, folders (every manifest below, by name) and `-`.

    A file that is named twice is read once.
    """
    texts: list[tuple[str, str]] = []
    diagnostics: list[Diagnostic] = []
    known: set[Path] = set()
    for path in paths:
        if path == _STDIN:
            texts.append(("<stdin>", stdin_text or ""))
            continue
        for file in _files(path, diagnostics):
            if file.resolve() in known:
                continue
            known.add(file.resolve())
            text, findings = _read(file)
            diagnostics.extend(findings)
            if text is not None:
                texts.append((str(file), text))
    loaded = load_texts(texts)
    return replace(loaded, diagnostics=(*diagnostics, *loaded.diagnostics))


def load_texts(texts: Iterable[tuple[str, str]]) -> Manifests:
    """Return the objects of some files' texts."""
    objects: dict[tuple[str, str, str], Object] = {}
    diagnostics: list[Diagnostic] = []
    for name, text in texts:
        found, findings = documents(name, text)
        diagnostics.extend(findings)
        for document in found:
            for root in _expand(document.node):
                reader = _Reader(Positions(name, root), root.plain())
                read = reader.read(len(objects))
                diagnostics.extend(reader.diagnostics)
                if read is None:
                    continue
                key = (read.type, read.namespace, read.name)
                if key in objects:
                    first = objects.pop(key).position
                    diagnostics.append(
                        diagnose("replaced", position=read.position, resource=read.ref, first=first)
                    )
                objects[key] = read
    numbered = (replace(each, index=index) for index, each in enumerate(objects.values()))
    return Manifests(objects=tuple(numbered), diagnostics=tuple(diagnostics))


def _files(path: str, diagnostics: list[Diagnostic]) -> list[Path]:
    root = Path(path)
    if root.is_dir():
        return sorted(each for each in root.rglob("*") if each.suffix in _SUFFIXES)
    if not root.is_file():
        diagnostics.append(diagnose("missing-file", path=path))
        return []
    return [root]


def _read(file: Path) -> tuple[str | None, tuple[Diagnostic, ...]]:
    try:
        return decode(str(file), file.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        place = Position(str(file), 1)
        return None, (diagnose("unreadable-file", position=place, path=file, reason=reason),)


def _expand(node: Node) -> Iterator[Node]:
    """Yield an object, or the items of a `List`."""
    if isinstance(node, Mapped):
        kind = node.entries.get("kind")
        items = node.entries.get("items")
        if (
            kind is not None
            and items is not None
            and str(kind.node.plain()).endswith("List")
            and isinstance(items.node, Listed)
        ):
            for item in items.node.items:
                yield from _expand(item)
            return
    yield node


class _Reader:
    """Reads one object; `diagnostics` say what is wrong with it."""

    def __init__(self, positions: Positions, value: Any) -> None:  # noqa: ANN401 - raw input
        self.diagnostics: list[Diagnostic] = []
        self._positions = positions
        self._value = value
        self._ref = ""

    def read(self, index: int) -> Object | None:
        """Return the object, or None for one that is broken or not read."""
        if not isinstance(self._value, dict):
            self._say("not-an-object", "")
            return None
        kind_name, version = (self._text(name) for name in ("kind", "apiVersion"))
        if kind_name is None or version is None:
            return None
        kind = self._kind(kind_name, version)
        form = _Metadata if kind is None or kind.named else _Installation
        metadata = self._model(form, "metadata") if kind is not None else None
        if kind is None or metadata is None:
            return None
        named = self._named(metadata.name)
        namespace = metadata.namespace if kind.namespaced else ""
        self._ref = f"{kind_name} {metadata.name}" + (f".{namespace}" if namespace else "")
        spec = self._spec(kind, kind.older.get(version, kind.spec))
        if spec is None or self._broken(spec) or not named:
            return None
        return Object(
            kind=kind_name,
            api_version=version,
            name=metadata.name,
            namespace=namespace,
            labels=metadata.labels,
            annotations=metadata.annotations,
            spec=spec,
            created=metadata.creation_timestamp,
            index=index,
            positions=self._positions,
        )

    def _text(self, name: str) -> str | None:
        value = self._value.get(name)
        if isinstance(value, str) and value:
            return value
        self._say("missing-field" if value is None else "bad-value", name, name=name, **_NOT_TEXT)
        return None

    def _kind(self, name: str, version: str) -> Kind | None:
        kind = kind_of(version, name)
        if kind is not None and version in kind.versions:
            return kind
        metadata = self._value.get("metadata")
        if isinstance(metadata, dict):
            self._ref = f"{name} {metadata.get('name', '')}".strip()
        if known(version, name):
            self._say("not-simulated", "kind", what=f"objects of kind {name} are not read yet")
        elif kind is not None and name in kinds_of(version):
            advice = " or ".join(sorted(kind.versions))
            self._say("unknown-version", "apiVersion", version=version, kind=name, advice=advice)
        else:
            advice = near(name, kinds_of(version))
            self._say("unknown-kind", "kind", version=version, kind=name, advice=advice)
        return None

    def _named(self, name: str) -> bool:
        if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name):
            return True
        self._say("bad-name", "metadata.name", name=name)
        return False

    def _spec(self, kind: Kind, model: type[Spec]) -> Spec | None:
        if kind.nested:
            self._check_outer(_OUTER | {"spec"})
            if kind.required and "spec" not in self._value:
                self._say("missing-field", "spec", name="spec")
                return None
            return self._model(model, "spec")
        return self._model(model, "")

    def _broken(self, spec: Spec) -> bool:
        found = list(broken(spec))
        for field, problem in found:
            self._say("bad-value", field, problem=problem)
        return bool(found)

    def _check_outer(self, allowed: frozenset[str]) -> None:
        for name in self._value:
            if name not in allowed:
                advice = near(name, sorted(allowed))
                self._say("unknown-field", name, name=name, advice=advice)

    def _model(self, model: type[_Spec], field: str) -> _Spec | None:
        value = self._value.get(field, {}) if field else {
            name: inner for name, inner in self._value.items() if name not in _OUTER
        }  # fmt: skip
        try:
            return model.model_validate(value, by_alias=True, by_name=False)
        except ValidationError as error:
            found = mistakes(error, model, self._positions, prefix=field, resource=self._ref)
            self.diagnostics.extend(found)
            return None

    def _say(self, code: str, field: str, **arguments: Any) -> None:  # noqa: ANN401 - the wording's own
        name = code in {"unknown-field"}
        place = self._positions.name(field) if name else self._positions.nearest(field)
        self.diagnostics.append(
            diagnose(code, position=place, resource=self._ref, field=field, **arguments)
        )


_NOT_TEXT = {"problem": "expected text"}
