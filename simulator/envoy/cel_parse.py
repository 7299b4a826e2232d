"""Read CEL: the text of an expression becomes its syntax tree, with the operators' names of CEL.

Follows   cel-spec doc/langdef.md (syntax)
Leaves    macros but `has`, bytes, messages (docs/fidelity.md#cel)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias


class BadExpressionError(ValueError):
    """An expression that Envoy refuses."""


class UnmodelledError(ValueError):
    """An expression that has a part which the simulator does not know."""


@dataclass(frozen=True, slots=True)
class Const:
    """A literal."""

    value: Any


@dataclass(frozen=True, slots=True)
class Ident:
    """A name."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or with `test`, `has(operand.field)`."""

    operand: Expr
    field: str
    test: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator; `target` is what a method is called on."""

    function: str
    args: tuple[Expr, ...]
    target: Expr | None = None


@dataclass(frozen=True, slots=True)
class Elements:
    """A list."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A map."""

    items: tuple[tuple[Expr, Expr], ...]


Expr: TypeAlias = Const | Ident | Select | Call | Elements | Entries

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>[rR]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))
    |(?P<number>0x[0-9a-fA-F]+u?|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?u?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<mark>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}]))""",
    re.VERBOSE,
)
_LITERALS = {"true": True, "false": False, "null": None}
_LEVELS = (
    {"||": "_||_"},
    {"&&": "_&&_"},
    {"==": "_==_", "!=": "_!=_", "<": "_<_", "<=": "_<=_", ">": "_>_", ">=": "_>=_", "in": "@in"},
    {"+": "_+_", "-": "_-_"},
    {"*": "_*_", "/": "_/_", "%": "_%_"},
)
"""Binary operators, from those that bind least."""
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@lru_cache(maxsize=1024)
def parse(text: str) -> Expr:
    """Return an expression's tree. Raises BadExpressionError or UnmodelledError."""
    parser = _Parser(text)
    found = parser.expression()
    if parser.kind is not None:
        raise parser.refusal()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.kind: str | None = None
        self.token = ""
        self._step()

    def refusal(self) -> BadExpressionError:
        """Return why the text is not CEL."""
        return BadExpressionError(f"Syntax error at '{self.token or '<EOF>'}' in {self._text}")

    def expression(self) -> Expr:
        """Read `a ? b : c`, or what binds more."""
        condition = self._binary(0)
        if not self._takes("?"):
            return condition
        yes = self._binary(0)
        self._expect(":")
        return Call("_?_:_", (condition, yes, self.expression()))

    def _binary(self, level: int) -> Expr:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.kind in ("mark", "name") and self.token in _LEVELS[level]:
            function = _LEVELS[level][self.token]
            self._step()
            left = Call(function, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Expr:
        for mark, function in (("!", "!_"), ("-", "-_")):
            if self._takes(mark):
                return Call(function, (self._unary(),))
        return self._member()

    def _member(self) -> Expr:
        found = self._primary()
        while self.kind == "mark" and self.token in (".", "["):
            if self._takes("["):
                found = Call("_[_]", (found, self.expression()))
                self._expect("]")
                continue
            self._step()
            name = self._name()
            if self.kind == "mark" and self.token == "(":
                if name in _MACROS:
                    raise BadExpressionError("Comprehension support is disabled")
                found = Call(name, self._arguments(), found)
            else:
                found = Select(found, name)
        return found

    def _primary(self) -> Expr:
        kind, token = self.kind, self.token
        if self._takes("("):
            inner = self.expression()
            self._expect(")")
            return inner
        if self._takes("["):
            return Elements(self._list("]"))
        if self._takes("{"):
            return self._entries()
        if kind == "text":
            self._step()
            return Const(_unquoted(token))
        if kind == "number":
            self._step()
            return Const(_number(token))
        name = self._name()
        if name in _LITERALS:
            return Const(_LITERALS[name])
        if self.kind != "mark" or self.token != "(":
            return Ident(name)
        arguments = self._arguments()
        if name != "has":
            return Call(name, arguments)
        if len(arguments) != 1 or not isinstance(arguments[0], Select):
            raise BadExpressionError("invalid argument to has() macro")
        return Select(arguments[0].operand, arguments[0].field, test=True)

    def _arguments(self) -> tuple[Expr, ...]:
        self._expect("(")
        return self._list(")")

    def _list(self, end: str) -> tuple[Expr, ...]:
        items: list[Expr] = []
        while not self._takes(end):
            if items:
                self._expect(",")
            items.append(self.expression())
        return tuple(items)

    def _entries(self) -> Expr:
        items: list[tuple[Expr, Expr]] = []
        while not self._takes("}"):
            if items:
                self._expect(",")
            key = self.expression()
            self._expect(":")
            items.append((key, self.expression()))
        return Entries(tuple(items))

    def _name(self) -> str:
        if self.kind != "name":
            raise self.refusal()
        name = self.token
        self._step()
        return name

    def _takes(self, mark: str) -> bool:
        if self.kind != "mark" or self.token != mark:
            return False
        self._step()
        return True

    def _expect(self, mark: str) -> None:
        if not self._takes(mark):
            raise self.refusal()

    def _step(self) -> None:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            rest = self._text[self._at :].strip()
            self.kind, self.token = (None, "") if not rest else ("", rest[0])
            return
        self._at = found.end()
        self.kind = found.lastgroup
        self.token = found[found.lastgroup or 0]


def _unquoted(token: str) -> str:
    if token[0] in "rR":
        return token[2:-1]
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), token[1:-1])


def _number(token: str) -> int | float:
    digits = token.removesuffix("u")
    if digits.startswith("0x"):
        return int(digits, 16)
    return int(digits) if digits.isdigit() else float(digits)
