"""URI templates: paths with `*`, `**` and named variables, for matching and rewriting.

Models    envoy.extensions.path.{match,rewrite}.uri_template.v3
Follows   envoy/source/extensions/path/uri_template_lib/{uri_template,uri_template_internal}.cc
Leaves    variables beside literals inside one variable (docs/fidelity.md#route-options)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CHARACTERS = "a-zA-Z0-9-._~%!$&'()+,;:@="
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


@dataclass(slots=True)
class _Part:
    """A literal, an operator, or a variable with what it stands for."""

    text: str
    name: str = ""
    inside: tuple[str, ...] = ()
    """A variable's operators and literals."""

    def regex(self) -> str:
        if not self.name:
            return _regex(self.text)
        return f"(?P<{self.name}>{''.join(map(_regex, self.inside or ('*',)))})"

    def starts_with_slash(self) -> bool:
        return (self.inside[0] if self.inside else self.text) == "/"


def _regex(text: str) -> str:
    return _GLOBS.get(text) or re.sub(r"[$()+.]", r"\\\g<0>", text)


def parse(text: str) -> Template:
    """Return a template to match paths with.

    Raises BadTemplateError with Envoy's reason.
    """
    if not _PRINTABLE.fullmatch(text):
        raise BadTemplateError(f'Invalid pattern: "{text}"')
    parts: list[_Part] = []
    rest = text
    while rest:
        if rest.startswith("{"):
            part, rest = _variable(rest)
        else:
            token, rest = _token(rest)
            part = _Part(token)
        parts.append(part)
    names = _names(parts)
    _refuse_globs_after_text_glob(parts)
    _refuse_double_slashes(parts)
    return Template(regex="".join(part.regex() for part in parts), names=names)


def _token(text: str) -> tuple[str, str]:
    """Return the operator or literal at the start of `text`, and what follows."""
    for operator in ("**", "*", "/"):
        if text.startswith(operator):
            return operator, text[len(operator) :]
    literal = re.split(r"[/{]", text, maxsplit=1)[0]
    if not _LITERAL.fullmatch(literal):
        raise BadTemplateError(f'Invalid literal: "{literal}"')
    return literal, text[len(literal) :]


def _variable(text: str) -> tuple[_Part, str]:
    inner, bracket, rest = text[1:].partition("}")
    if not bracket:
        raise BadTemplateError(f'Unmatched variable bracket in "{text}"')
    name, equals, inside = inner.partition("=")
    if not _NAME.fullmatch(name):
        raise BadTemplateError(f'Invalid variable name: "{name}"')
    if equals and not inside:
        raise BadTemplateError("Empty variable match")
    tokens: list[str] = []
    while inside:
        if tokens and tokens[-1] in _GLOBS and not inside.startswith("/"):
            raise BadTemplateError(
                "Invalid variable match, path cannot directly be prepended by operator, "
                "is a slash missing?"
            )
        token, inside = _token(inside)
        tokens.append(token)
    return _Part(text="", name=name, inside=tuple(tokens)), rest


def _names(parts: list[_Part]) -> tuple[str, ...]:
    names: list[str] = []
    for part in parts:
        if not part.name:
            continue
        if len(names) >= _MOST_VARIABLES:
            raise BadTemplateError(f"Exceeded variable count limit ({_MOST_VARIABLES})")
        if len(part.name) > _LONGEST_NAME:
            raise BadTemplateError(
                f'Invalid variable name length (length of "{part.name}" should be at least 1 '
                f"and no more than {_LONGEST_NAME})"
            )
        if part.name in names:
            raise BadTemplateError(f'Repeated variable name: "{part.name}"')
        names.append(part.name)
    return tuple(names)


def _refuse_globs_after_text_glob(parts: list[_Part]) -> None:
    text_glob = False
    for part in parts:
        if part.name and not part.inside and text_glob:
            raise BadTemplateError("Implicit variable path glob after text glob.")
        for token in part.inside if part.name else (part.text,):
            if token in _GLOBS:
                if text_glob:
                    raise BadTemplateError("Glob after text glob.")
                text_glob = token == "**"


def _refuse_double_slashes(parts: list[_Part]) -> None:
    after_slash = False
    for part in parts:
        slash = part.starts_with_slash()
        if slash and after_slash:
            raise BadTemplateError(
                "Double slashes (/) detected in uri_template, this is not allowed."
            )
        after_slash = slash


def parse_rewrite(text: str) -> tuple[str, ...]:
    """Return a rewrite template as literals (even places) and variable names (odd ones).

    Raises BadTemplateError with Envoy's reason.
    """
    if not text.startswith("/"):
        raise BadTemplateError("Invalid rewrite variable placement")
    if "//" in text:
        raise BadTemplateError("Invalid rewrite literal")
    found: list[str] = []
    rest = text
    while True:
        literal, opening, rest = rest.partition("{")
        if literal and not _REWRITE_LITERAL.fullmatch(literal):
            raise BadTemplateError("Invalid rewrite literal")
        found.append(literal)
        if not opening:
            return tuple(found)
        name, closing, rest = rest.partition("}")
        if not closing:
            raise BadTemplateError("Unmatched variable bracket")
        if not _NAME.fullmatch(name):
            raise BadTemplateError("Invalid variable name")
        found.append(name)
