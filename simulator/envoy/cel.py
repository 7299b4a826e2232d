"""The part of CEL that format strings use: a request's attributes, texts and extraction.

    request.headers['x-version']     re.extract(request.path, '^/v([0-9]+)', '\\1')

Follows   envoy/source/extensions/filters/common/expr/context.cc, cel-go's ext/regex
Leaves    operators, macros and other functions (docs/fidelity.md#format-commands)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from simulator.envoy.match import BadRegexError, compiled, without_query
from simulator.envoy.request import Request

Value: TypeAlias = Callable[[Request], str | None]
"""An expression, ready to be asked; `None` where it has no value."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_][\w.]*)|(?P<mark>[\[\](),+]))"""
)
_GROUP = re.compile(r"\\([0-9\\])")

_ATTRIBUTES: dict[str, Value] = {
    "request.path": lambda request: request.path or None,
    "request.url_path": lambda request: without_query(request.path) or None,
    "request.host": lambda request: request.authority or None,
    "request.method": lambda request: request.method or None,
    "request.scheme": lambda request: request.scheme or None,
    "request.query": lambda request: request.path.partition("?")[2],
    "request.useragent": lambda request: request.first("user-agent"),
    "request.referer": lambda request: request.first("referer"),
    "request.id": lambda request: request.first("x-request-id"),
}


class UnmodelledError(ValueError):
    """An expression that this part of CEL does not know."""


@lru_cache(maxsize=1024)
def parse(text: str) -> Value:
    """Return an expression. Raises UnmodelledError."""
    parser = _Parser(text)
    value = parser.sum()
    if parser.kind is not None:
        raise UnmodelledError(text)
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.kind: str | None = None
        self.token = ""
        self._step()

    def sum(self) -> Value:
        """Read texts that are joined by `+`."""
        parts = [self._term()]
        while self.token == "+":
            self._step()
            parts.append(self._term())
        if len(parts) == 1:
            return parts[0]

        def joined(request: Request) -> str | None:
            values = [part(request) for part in parts]
            return None if None in values else "".join(value for value in values if value)

        return joined

    def _term(self) -> Value:
        kind, token = self.kind, self.token
        self._step()
        if kind == "text":
            literal = re.sub(r"\\(.)", r"\1", token[1:-1])
            return lambda _: literal
        if kind == "name" and token == "request.headers":
            self._expect("[")
            name = self._literal().lower()
            self._expect("]")
            return lambda request: request.first(name)
        if kind == "name" and token == "re.extract":
            return self._extract()
        if kind == "name" and token in _ATTRIBUTES:
            return _ATTRIBUTES[token]
        raise UnmodelledError(self._text)

    def _extract(self) -> Value:
        self._expect("(")
        target = self.sum()
        self._expect(",")
        pattern = self._literal()
        self._expect(",")
        rewrite = self._literal()
        self._expect(")")
        try:
            compiled(pattern)
        except BadRegexError as error:
            raise UnmodelledError(str(error)) from error

        def extracted(request: Request) -> str | None:
            text = target(request)
            found = compiled(pattern).search(text) if text is not None else None
            if found is None:
                return None
            return _GROUP.sub(
                lambda escape: "\\" if escape[1] == "\\" else found.group(int(escape[1])) or "",
                rewrite,
            )

        return extracted

    def _literal(self) -> str:
        if self.kind != "text":
            raise UnmodelledError(self._text)
        token = self.token
        self._step()
        return re.sub(r"\\(.)", r"\1", token[1:-1])

    def _expect(self, mark: str) -> None:
        if self.token != mark or self.kind != "mark":
            raise UnmodelledError(self._text)
        self._step()

    def _step(self) -> None:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            if self._text[self._at :].strip():
                raise UnmodelledError(self._text)
            self.kind, self.token = None, ""
            return
        self._at = found.end()
        self.kind = found.lastgroup
        self.token = found[found.lastgroup or 0]
