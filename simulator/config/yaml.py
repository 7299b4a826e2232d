"""Read YAML text into values that remember where they were written, and never fail on it.

The parser's events are counted (documents, depth, nodes, aliases) before anything is made of
them, so that a small file cannot become a large tree. Whatever is fed in, the answer is
documents and diagnostics.

    documents(name, text)            a file's documents
    read_model(name, text, Model)    a file that is one typed record
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from simulator.config.compose import Composer, RefusedError
from simulator.config.mistakes import mistakes
from simulator.config.nodes import Mapped, Node, Positions, Scalar
from simulator.diagnostics import Diagnostic, Level, Position, diagnose

LONGEST_BYTES = 8 << 20
"""A manifest larger than this is refused unread."""

_Model = TypeVar("_Model", bound=BaseModel)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HINTS = {
    "cannot start any token": "quote the value, and indent with spaces, never tabs",
    "mapping values are not allowed": "check the indentation, or quote a value that holds `: `",
    "expected <block end>": "check the indentation: fields of one block start in one column",
    "did not find expected '-' indicator": "check the indentation of this list",
    "did not find expected key": "check the indentation: fields of one block start in one column",
    "could not find expected ':'": "put a colon and a space after the field's name",
    "unexpected end of stream": "close the quote or bracket",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file."""

    node: Node
    positions: Positions
    value: Any = field(repr=False)
    """Plain Python data; null fields are absent."""


def decode(name: str, data: bytes) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """Return a file's text, which has to be UTF-8."""
    if len(data) > LONGEST_BYTES:
        return None, (_too_large(name, "bytes", LONGEST_BYTES, Position(name, 1)),)
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        return None, (diagnose("not-utf8", position=Position(name, line, column)),)


def documents(name: str, text: str) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...]]:
    """Return the documents of a text, empty ones left out, and what is wrong with it.

    `name` is the file's, for positions.
    """
    text = text.removeprefix("\ufeff")
    refusal = _refusal(name, text)
    if refusal is not None:
        return (), (refusal,)
    composer = Composer(name)
    try:
        composer.feed(yaml.CSafeLoader(text))
    except RefusedError as error:
        composer.diagnostics.append(error.diagnostic)
    except yaml.YAMLError as error:
        composer.diagnostics.append(_syntax(name, error))
    found = tuple(
        Document(node=root, positions=Positions(name, root), value=root.plain())
        for root in composer.roots
        if not (isinstance(root, Scalar) and root.value is None)
    )
    return found, tuple(composer.diagnostics)


def read_model(
    name: str, text: str, model: type[_Model]
) -> tuple[_Model | None, tuple[Diagnostic, ...]]:
    """Return a file that holds one record, or None and what is wrong with it."""
    found, diagnostics = documents(name, text)
    if any(each.level is Level.ERROR for each in diagnostics):
        return None, diagnostics
    if len(found) > 1:
        second = diagnose("several-documents", position=found[1].positions.nearest(""))
        return None, (*diagnostics, second)
    document = found[0] if found else _empty(name)
    try:
        value = model.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        return None, (*diagnostics, *mistakes(error, model, document.positions))
    return value, diagnostics


def _empty(name: str) -> Document:
    root = Mapped(line=1, column=1)
    return Document(node=root, positions=Positions(name, root), value={})


def _refusal(name: str, text: str) -> Diagnostic | None:
    if len(text) > LONGEST_BYTES:
        return _too_large(name, "bytes", LONGEST_BYTES, Position(name, 1))
    found = _UNPRINTABLE.search(text)
    if found is None:
        return None
    before = text[: found.start()]
    position = Position(name, before.count("\n") + 1, found.start() - before.rfind("\n"))
    return diagnose("unprintable", position=position, character=f"U+{ord(found.group()):04X}")


def _too_large(name: str, what: str, limit: int, position: Position) -> Diagnostic:
    return diagnose("too-large", position=position, file=name, what=what, limit=limit)


def _syntax(name: str, error: yaml.YAMLError) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    position = Position(name, mark.line + 1, mark.column + 1) if mark else Position(name, 1)
    hint = next((each for words, each in _HINTS.items() if words in problem), "check the syntax")
    return diagnose("yaml-syntax", position=position, problem=problem, advice=hint)
