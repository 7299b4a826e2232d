"""Decide CEL expressions about a request: its attributes, its connection, its answer.

    request.headers['x-version'] == 'v2' && !has(request.headers.debug)

Follows   envoy/source/extensions/filters/common/expr/{context,evaluator}.cc, cel-spec
          doc/langdef.md, cel-go ext/regex
Leaves    macros but `has`, times, bytes, some attributes (docs/fidelity.md#cel)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from simulator.envoy.cel_parse import (
    BadExpressionError,
    Call,
    Const,
    Elements,
    Entries,
    Expr,
    Ident,
    Select,
    UnmodelledError,
    parse,
)
from simulator.envoy.match import BadRegexError, compiled, without_query

if TYPE_CHECKING:
    from simulator.envoy.format_commands import Facts
    from simulator.envoy.tls import Certificate

_OF_TIME = frozenset({"duration", "timestamp", "uint", "bytes", "type"})
"""Functions that Envoy knows and the simulator does not."""
_GROUP = re.compile(r"\\([0-9\\])")


class NoValueError(Exception):
    """An expression has no value: something is not there, or is of another type."""


Attribute = Callable[["Facts"], Any]
"""Returns what an attribute is, `None` where there is none."""


def _of_request(name: str) -> Attribute:
    return lambda facts: facts.request.first(name)


def _peer(part: Callable[[Certificate], str]) -> Attribute:
    def value(facts: Facts) -> str | None:
        connection = facts.info.connection
        peer = connection.peer if connection is not None else None
        return part(peer) or None if peer is not None else None

    return value


def _mtls(facts: Facts) -> bool:
    connection = facts.info.connection
    return connection is not None and connection.transport == "tls" and connection.peer is not None


def _of_connection(part: str) -> Attribute:
    def value(facts: Facts) -> Any:  # noqa: ANN401 - an attribute
        connection = facts.info.connection
        return getattr(connection, part) if connection is not None else None

    return value


def _joined(address: Attribute, port: Attribute) -> Attribute:
    def value(facts: Facts) -> str | None:
        host = address(facts)
        return f"{host}:{port(facts) or 0}" if host else None

    return value


def _source(facts: Facts) -> tuple[str | None, int | None]:
    """Return the client's address and port; one that headers tell has no port."""
    client, connection = facts.info.source_address, facts.info.connection
    if not client:
        return None, None
    own = connection is not None and connection.source_ip == client
    port = connection.source_port if own and connection is not None else 0
    return f"{client}:{port}", port


def _details(facts: Facts) -> str | None:
    return facts.end.details or None if facts.end is not None else None


_ATTRIBUTES: dict[str, dict[str, Attribute]] = {
    "request": {
        "path": lambda facts: facts.request.path or None,
        "url_path": lambda facts: without_query(facts.request.path) or None,
        "host": lambda facts: facts.request.authority or None,
        "scheme": lambda facts: facts.request.scheme or None,
        "method": lambda facts: facts.request.method or None,
        "headers": lambda facts: _Headers(facts.request.headers, facts),
        "query": lambda facts: facts.request.path.partition("?")[2],
        "useragent": _of_request("user-agent"),
        "referer": _of_request("referer"),
        "id": _of_request("x-request-id"),
        "protocol": lambda facts: facts.end.protocol if facts.end is not None else "HTTP/1.1",
    },
    "response": {
        "code": lambda facts: facts.status if facts.end is not None else None,
        "code_details": _details,
        "headers": lambda facts: _Headers(facts.response_headers, None),
    },
    "source": {
        "address": lambda facts: _source(facts)[0],
        "port": lambda facts: _source(facts)[1],
    },
    "destination": {
        "address": _joined(_of_connection("address"), _of_connection("port")),
        "port": _of_connection("port"),
    },
    "connection": {
        "mtls": _mtls,
        "requested_server_name": lambda facts: (
            facts.info.connection.sni or None if facts.info.connection is not None else None
        ),
        "uri_san_peer_certificate": _peer(lambda one: ",".join(one.uri_sans[:1])),
        "dns_san_peer_certificate": _peer(lambda one: ",".join(one.dns_sans[:1])),
        "subject_peer_certificate": _peer(lambda one: one.subject),
        "sha256_peer_certificate_digest": _peer(lambda one: one.digest),
    },
    "metadata": {
        "filter_metadata": lambda facts: facts.info.metadata,
    },
    "xds": {
        "cluster_name": lambda facts: facts.cluster or None,
        "route_name": lambda facts: facts.route_name or None,
        "virtual_host_name": lambda facts: (
            facts.end.virtual_host or None if facts.end is not None else None
        ),
    },
}
"""What can be asked for, by the name that an expression begins with."""


class _Headers(Mapping[str, str]):
    """Headers as a map; several values are joined with commas."""

    def __init__(self, headers: tuple[tuple[str, str], ...], facts: Facts | None) -> None:
        self._headers = headers
        self._facts = facts

    def __getitem__(self, name: str) -> str:
        if name.startswith(":") and self._facts is not None:
            found = self._facts.request.pseudo(name)
            values = [found] if found is not None else []
        else:
            values = [value for key, value in self._headers if key == name.lower()]
        if not values:
            raise KeyError(name)
        return ",".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._headers))

    def __len__(self) -> int:
        return len(dict.fromkeys(name for name, _ in self._headers))


def checked(text: str) -> Expr:
    """Return the tree of a text all of which is known.

    Raises BadExpressionError or UnmodelledError.
    """
    tree = parse(text)
    check(tree)
    return tree


def check(tree: Expr) -> None:
    """Raise UnmodelledError or BadExpressionError for what is not known."""
    match tree:
        case Select(Ident(name), field):
            if field not in _ATTRIBUTES.get(name, {}):
                raise UnmodelledError(f"{name}.{field}")
        case Select(operand, _):
            check(operand)
        case Ident(name):
            raise UnmodelledError(name)
        case Call(function, arguments, target):
            _check_call(function, arguments, target)
        case Elements(items):
            for one in items:
                check(one)
        case Entries(items):
            for key, value in items:
                check(key)
                check(value)


def _check_call(function: str, arguments: tuple[Expr, ...], target: Expr | None) -> None:
    if target == Ident("re") and function == "extract":
        target = None
        try:
            compiled(str(getattr(arguments[1], "value", "")))
        except BadRegexError as error:
            raise UnmodelledError(str(error)) from error
    elif function in _OF_TIME:
        raise UnmodelledError(function)
    elif function not in _FUNCTIONS and function not in _LOGIC:
        message = f"No overload found in reference resolve step for {function}"
        raise BadExpressionError(message)
    for one in (*arguments, *((target,) if target is not None else ())):
        check(one)


def holds(tree: Expr, facts: Facts) -> bool:
    """Say whether an expression is true; one without a value is not."""
    return value_of(tree, facts) is True


def value_of(tree: Expr, facts: Facts) -> Any:  # noqa: ANN401 - any value of CEL
    """Return an expression's value; None where it has none."""
    try:
        return _evaluate(tree, facts)
    except NoValueError:
        return None


def _evaluate(tree: Expr, facts: Facts) -> Any:  # noqa: ANN401 - any value of CEL
    match tree:
        case Const(value):
            return value
        case Select(operand, field, test):
            return _select(operand, field, facts, test=test)
        case Call("_&&_" | "_||_" | "_?_:_"):
            return _LOGIC[tree.function](tree.args, facts)
        case Call("extract", arguments, Ident("re")):
            return _extract(*(_evaluate(one, facts) for one in arguments))
        case Call(function, arguments, target):
            given = (target, *arguments) if target is not None else arguments
            values = [_evaluate(one, facts) for one in given]
            try:
                return _FUNCTIONS[function](*values)
            except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
                raise NoValueError from error
        case Elements(items):
            return [_evaluate(one, facts) for one in items]
        case Entries(items):
            return {_evaluate(key, facts): _evaluate(value, facts) for key, value in items}
    raise NoValueError


def _select(operand: Expr, field: str, facts: Facts, *, test: bool) -> Any:  # noqa: ANN401
    if isinstance(operand, Ident):
        value = _ATTRIBUTES[operand.name][field](facts)
    else:
        within = _evaluate(operand, facts)
        if not isinstance(within, Mapping):
            raise NoValueError
        value = within.get(field)
    if test:
        return value is not None
    if value is None:
        raise NoValueError
    return value


def _both(arguments: tuple[Expr, ...], facts: Facts) -> bool:
    return _either(arguments, facts, decisive=False)


def _either(arguments: tuple[Expr, ...], facts: Facts, *, decisive: bool = True) -> bool:
    """Return `decisive` if one side is that, whatever becomes of the other."""
    lacking = False
    for one in arguments:
        value = value_of(one, facts)
        if isinstance(value, bool) and value == decisive:
            return decisive
        lacking |= not isinstance(value, bool)
    if lacking:
        raise NoValueError
    return not decisive


def _choose(arguments: tuple[Expr, ...], facts: Facts) -> Any:  # noqa: ANN401 - any value of CEL
    condition = _evaluate(arguments[0], facts)
    if not isinstance(condition, bool):
        raise NoValueError
    return _evaluate(arguments[1 if condition else 2], facts)


_LOGIC: dict[str, Callable[[tuple[Expr, ...], Facts], Any]] = {
    "_&&_": _both,
    "_||_": _either,
    "_?_:_": _choose,
}


def _kind(value: Any) -> type:  # noqa: ANN401 - any value of CEL
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


def _equal(left: Any, right: Any) -> bool:  # noqa: ANN401 - any value of CEL
    return _kind(left) is _kind(right) and bool(left == right)


def _alike(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return an operator that takes two values of one type."""

    def apply(left: Any, right: Any) -> Any:  # noqa: ANN401 - any value of CEL
        if _kind(left) is not _kind(right):
            raise NoValueError
        return compare(left, right)

    return apply


def _add(left: Any, right: Any) -> Any:  # noqa: ANN401 - a number
    # Envoy does not join texts or lists unless it is told to.
    if _kind(left) is not float or _kind(right) is not float:
        raise NoValueError
    return left + right


def _divide(left: Any, right: Any) -> Any:  # noqa: ANN401 - a number
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _not(value: Any) -> bool:  # noqa: ANN401 - any value of CEL
    if not isinstance(value, bool):
        raise NoValueError
    return not value


def _index(container: Any, key: Any) -> Any:  # noqa: ANN401 - any value of CEL
    value = container[key]
    if value is None:
        raise NoValueError
    return value


def text_of(tree: Expr, facts: Facts) -> str | None:
    """Return an expression's value as a format string has it; None where there is none."""
    try:
        return _shown(_evaluate(tree, facts))
    except NoValueError:
        return None


def _shown(value: Any) -> str:  # noqa: ANN401 - any value of CEL
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return "CelMap value" if isinstance(value, Mapping) else "CelList value"


def _extract(target: str, pattern: str, rewrite: str) -> str:
    found = compiled(pattern).search(target)
    if found is None:
        raise NoValueError
    return _GROUP.sub(
        lambda escape: "\\" if escape[1] == "\\" else found.group(int(escape[1])) or "", rewrite
    )


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_==_": _equal,
    "_!=_": lambda left, right: not _equal(left, right),
    "_<_": _alike(operator.lt),
    "_<=_": _alike(operator.le),
    "_>_": _alike(operator.gt),
    "_>=_": _alike(operator.ge),
    "_+_": _add,
    "_-_": _alike(operator.sub),
    "_*_": _alike(operator.mul),
    "_/_": _alike(_divide),
    "_%_": _alike(lambda left, right: left - right * _divide(left, right)),
    "!_": _not,
    "-_": operator.neg,
    "_[_]": _index,
    "@in": lambda item, container: any(_equal(item, one) for one in container),
    "startsWith": lambda text, prefix: text.startswith(prefix),
    "endsWith": lambda text, suffix: text.endswith(suffix),
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: compiled(pattern).search(text) is not None,
    "size": len,
    "int": int,
    "double": float,
}
"""Functions and operators, by CEL's names of them."""
