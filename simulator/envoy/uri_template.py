"""URI templates: paths with `*`, `**` and named variables, for matching and rewriting.

Models    envoy.extensions.path.{match,rewrite}.uri_template.v3
Follows   envoy/source/extensions/path/uri_template_lib/{uri_template,uri_template_internal}.cc
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CHARACTERS = r"a-zA-Z0-9-._~%!$&'()+,;:@"
_LITERAL = re.compile(rf"[{_CHARACTERS}]+")
_REWRITE_LITERAL = re.compile(rf"[{_CHARACTERS}/]+")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_PRINTABLE = re.compile(r"/[!-~]*")
_GLOBS = {"*": rf"[{_CHARACTERS}]+", "**": rf"[{_CHARACTERS}/]*"}
_MOST_VARIABLES = 5
_LONGEST_NAME = 16


class BadTemplateError(ValueError):
    """A template that Envoy refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template to match paths with."""

    regex: str
    names: tuple[str, ...]


def _literal(text: str) -> str:
    if not _LITERAL.fullmatch(text):
        raise BadTemplateError("Invalid literal")
    return re.sub(r"[$()+.]", r"\\\g<0>", text)


class _Reader:
    """Reads one template, segment by segment, holding what the rules compare."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.text_glob = False

    def glob(self, operator: str) -> str:
        if self.text_glob:
            raise BadTemplateError("Glob after text glob.")
        self.text_glob = operator == "**"
        return _GLOBS[operator]

    def variable(self, text: str) -> str:
        name, equals, inside = text.partition("=")
        if not _NAME.fullmatch(name):
            raise BadTemplateError("Invalid variable name")
        if equals and not inside:
            raise BadTemplateError("Empty variable match")
        if len(self.names) >= _MOST_VARIABLES:
            raise BadTemplateError("Exceeded variable count limit")
        if len(name) > _LONGEST_NAME:
            raise BadTemplateError("Invalid variable length")
        if name in self.names:
            raise BadTemplateError("Repeated variable name")
        self.names.append(name)
        if not equals:
            if self.text_glob:
                raise BadTemplateError("Implicit variable path glob after text glob.")
            return f"(?P<{name}>{_GLOBS['*']})"
        parts = [self._inside(part) for part in inside.split("/")]
        return f"(?P<{name}>{'/'.join(parts)})"

    def _inside(self, part: str) -> str:
        if part in _GLOBS:
            return self.glob(part)
        if not part or part.startswith("*"):
            raise BadTemplateError("Invalid variable match")
        return _literal(part)

    def segment(self, text: str, *, last: bool) -> str:
        """Return the regular expression of one segment; the last may carry a suffix."""
        if text.startswith("*"):
            operator = "**" if text.startswith("**") else "*"
            head, suffix = self.glob(operator), text[len(operator) :]
        elif text.startswith("{"):
            inner, bracket, suffix = text[1:].partition("}")
            if not bracket:
                raise BadTemplateError("Unmatched variable bracket")
            head = self.variable(inner)
        else:
            return _literal(text)
        if suffix and not last:
            raise BadTemplateError("Prefix match not supported.")
        return head + (_literal(suffix) if suffix else "")


def parse(text: str) -> Template:
    """Return a template to match paths with.

    Raises BadTemplateError with Envoy's reason.
    """
    if not _PRINTABLE.fullmatch(text):
        raise BadTemplateError("Invalid pattern")
    body = text[1:]
    trailing = len(body) > 1 and body.endswith("/")
    pieces = _split(body[:-1] if trailing else body)
    reader = _Reader()
    parts = [
        reader.segment(piece, last=at == len(pieces) - 1 and not trailing)
        for at, piece in enumerate(pieces)
    ]
    regex = "/" + "/".join(parts) + ("/" if trailing else "")
    return Template(regex=regex, names=tuple(reader.names))


def _split(body: str) -> list[str]:
    """Split at slashes outside braces."""
    pieces: list[str] = []
    depth, start = 0, 0
    for at, character in enumerate(body):
        depth += (character == "{") - (character == "}")
        if character == "/" and depth <= 0:
            pieces.append(body[start:at])
            start = at + 1
    if body:
        pieces.append(body[start:])
    return pieces


def parse_rewrite(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a rewrite template as literals (even places) and variable names (odd ones).

    Raises BadTemplateError with Envoy's reason.
    """
    if not text.startswith("/"):
        raise BadTemplateError("Invalid rewrite pattern")
    parts = re.split(r"\{([^{}]*)\}", text)
    for at, part in enumerate(parts):
        if at % 2:
            if not _NAME.fullmatch(part):
                raise BadTemplateError("Invalid variable name")
            if part not in names:
                raise BadTemplateError("Nonexisting variable name")
        elif "{" in part or "}" in part or "//" in part:
            raise BadTemplateError("Unmatched variable bracket")
        elif part and not _REWRITE_LITERAL.fullmatch(part):
            raise BadTemplateError("Invalid rewrite literal pattern")
    return tuple(parts)
