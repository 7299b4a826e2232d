"""Read Envoy's JSON form into messages, with Envoy's leniency and a path in each error.

protobuf's Python reader refuses things that Envoy's takes: quoted booleans, enum names
in lower case, durations written out, an `Any` without its value. They are rewritten,
along the schema, before it sees them.
`@type` of nested `Any`s is resolved in the private pool.

Follows   protobuf json_util (case-insensitive enums), envoy source/common/protobuf/yaml_utility.cc
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from simulator.envoy_api.schema import message, pool

_WELL_KNOWN_BOOL = "google.protobuf.BoolValue"
_BOOLS = {"true": True, "false": False}
_EMPTY: Mapping[str, object] = {
    "google.protobuf.BoolValue": False,
    "google.protobuf.StringValue": "",
    "google.protobuf.Struct": {},
    "google.protobuf.ListValue": [],
    "google.protobuf.Duration": "0s",
}
"""What a well-known type inside an `Any` is when its `value` is left out."""


class SchemaError(ValueError):
    """A value that Envoy would refuse: `path` says where, the message says why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


def parse(value: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - made at run time
    """Return the message `name` read from its JSON form (camelCase or proto names).

    Raises SchemaError with the path of the first value that does not fit.
    """
    target = message(name)()
    lenient = _object(value, target.DESCRIPTOR, "")
    try:
        return json_format.ParseDict(lenient, target, descriptor_pool=pool())
    except json_format.ParseError as error:
        raise SchemaError("", str(error)) from error


def _object(value: Any, kind: Descriptor, path: str) -> Any:  # noqa: ANN401 - JSON
    if kind.full_name == "google.protobuf.Any" and isinstance(value, Mapping):
        return _any(value, path)
    if kind.full_name == _WELL_KNOWN_BOOL:
        return _bool(value)
    if kind.full_name == "google.protobuf.Duration" and isinstance(value, Mapping):
        return _duration(value, path)
    if kind.full_name.startswith("google.protobuf.") or not isinstance(value, Mapping):
        return value
    fields = {f.name: f for f in kind.fields} | {f.json_name: f for f in kind.fields}
    out: dict[str, Any] = {}
    for key, inner in value.items():
        field = fields.get(key)
        where = f"{path}.{key}" if path else str(key)
        if field is None:
            raise SchemaError(where, f"{kind.full_name} has no field `{key}`")
        out[key] = _field(inner, field, where)
    return out


def _duration(value: Mapping[str, Any], path: str) -> str:
    """Return the text of a duration that is written out: `{seconds: 1, nanos: 500000000}`."""
    try:
        seconds, nanos = int(value.get("seconds", 0)), int(value.get("nanos", 0))
    except (TypeError, ValueError) as error:
        raise SchemaError(path, f"{dict(value)} is not a duration") from error
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}.{abs(nanos):09d}s"


def _any(value: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON
    url = value.get("@type")
    if url is None:
        return value
    try:
        kind = pool().FindMessageTypeByName(str(url).rpartition("/")[2])
    except KeyError as error:
        raise SchemaError(f"{path}.@type", f"Envoy does not know the type {url}") from error
    if kind.full_name in _EMPTY and "value" not in value:
        return {**value, "value": _EMPTY[kind.full_name]}
    if kind.full_name.startswith("google.protobuf.") or kind.full_name.endswith(".TypedStruct"):
        return value
    rest = {key: inner for key, inner in value.items() if key != "@type"}
    return {"@type": url, **_object(rest, kind, path)}


def _field(value: Any, field: FieldDescriptor, path: str) -> Any:  # noqa: ANN401 - JSON
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        if not isinstance(value, Mapping):
            return value
        inner = kind.fields_by_name["value"]
        return {key: _scalar(item, inner, f"{path}.{key}") for key, item in value.items()}
    if field.is_repeated and isinstance(value, Sequence) and not isinstance(value, str):
        return [_scalar(item, field, f"{path}[{at}]") for at, item in enumerate(value)]
    return _scalar(value, field, path)


def _scalar(value: Any, field: FieldDescriptor, path: str) -> Any:  # noqa: ANN401 - JSON
    if field.message_type is not None:
        return _object(value, field.message_type, path)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _bool(value)
    if field.enum_type is not None and isinstance(value, str):
        names = field.enum_type.values_by_name
        if value not in names and value.upper() in names:
            return value.upper()
    return value


def _bool(value: Any) -> Any:  # noqa: ANN401 - JSON
    return _BOOLS.get(value, value) if isinstance(value, str) else value
