"""Compile CEL that comes as a syntax tree.

Models    google.api.expr.v1alpha1.Expr
Leaves    comprehensions, messages (docs/fidelity.md#cel)
"""

from __future__ import annotations

from typing import Any

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
)


def expression(message: Any) -> Expr:  # noqa: ANN401 - protobuf
    """Return the tree. Raises BadExpressionError or UnmodelledError."""
    which = message.WhichOneof("expr_kind")
    if which is None:
        raise BadExpressionError("Invalid empty expression")
    inner = getattr(message, which)
    match which:
        case "const_expr":
            return _constant(inner)
        case "ident_expr":
            return Ident(inner.name)
        case "select_expr":
            return Select(expression(inner.operand), inner.field, bool(inner.test_only))
        case "call_expr":
            target = expression(inner.target) if inner.HasField("target") else None
            return Call(inner.function, tuple(expression(one) for one in inner.args), target)
        case "list_expr":
            return Elements(tuple(expression(one) for one in inner.elements))
        case "struct_expr" if not inner.message_name:
            pairs = ((expression(one.map_key), expression(one.value)) for one in inner.entries)
            return Entries(tuple(pairs))
        case "comprehension_expr":
            raise BadExpressionError("Comprehension support is disabled")
    raise UnmodelledError(which)


def _constant(message: Any) -> Expr:  # noqa: ANN401 - protobuf
    which = message.WhichOneof("constant_kind")
    if which in (None, "null_value"):
        return Const(None)
    if which in ("bytes_value", "duration_value", "timestamp_value"):
        raise UnmodelledError(which)
    return Const(getattr(message, which))
