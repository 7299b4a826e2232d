"""Check a message against the rules that its schema carries: Envoy refuses what breaks one.

The rules (lengths, ranges, patterns, what is required) are options of the fields in
Envoy's own `.proto` files. Each message kind is looked at once; kinds without any rule
inside cost nothing. What `Any` fields hold is checked too.

Models    validate.FieldRules (protoc-gen-validate), as far as Envoy's API uses it
Follows   envoy/source/common/protobuf/utility.cc (recursivePgvCheck), the messages that
          protoc-gen-validate generates for C++; utility.cc (validateDuration)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import re2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from simulator.envoy_api.schema import pool, unpack

_DURATION = "google.protobuf.Duration"
_MOST_SECONDS = 9_223_372_035
_HEADER_NAME = "^:?[0-9a-zA-Z!#$%&'*+-.^_|~\x60]+$"
_HEADER_VALUE = "^[^\\x00-\\x08\\x0A-\\x1F\\x7F]*$"
_LENIENT = "^[^\\x00\\n\\r]*$"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule."""

    path: str
    """Where: `virtual_hosts[0].name`."""
    reason: str
    """`VirtualHostValidationError.Name: value length must be at least 1 characters`."""


Check: TypeAlias = Callable[[Any], str | None]
"""Returns what is wrong with a value."""


def violations(message: Message, path: str = "") -> Iterator[Violation]:
    """Yield the broken rules of a message, in the order of its fields."""
    kind = message.DESCRIPTOR
    if kind.full_name == "google.protobuf.Any":
        yield from _inside(message, path)
        return
    if kind.full_name == _DURATION:
        yield from _readable(message, path)
        return
    for rule in _plan(kind.full_name):
        yield from rule(message, path)
    for field, value in message.ListFields():
        if field.message_type is None or not _matters(field.message_type.full_name):
            continue
        where = f"{path}.{field.name}" if path else field.name
        if field.is_repeated:
            items = _items(field, value)
            for at, item in items:
                yield from violations(item, f"{where}[{at}]")
        else:
            yield from violations(value, where)


def _items(field: FieldDescriptor, value: Any) -> Iterator[tuple[Any, Message]]:  # noqa: ANN401
    kind = field.message_type
    assert kind is not None, "only messages are entered"
    if not kind.GetOptions().map_entry:
        yield from enumerate(value)
    elif kind.fields_by_name["value"].message_type is not None:
        yield from sorted(value.items())


def _inside(packed: Any, path: str) -> Iterator[Violation]:  # noqa: ANN401 - protobuf
    if not packed.type_url:
        return
    try:
        inner = unpack(packed)
    except (KeyError, DecodeError):
        return
    yield from violations(inner, path)


def _readable(duration: Any, path: str) -> Iterator[Violation]:  # noqa: ANN401 - protobuf
    """Yield why Envoy, which counts nanoseconds in 63 bits, cannot use a duration."""
    if duration.seconds < 0 or duration.nanos < 0:
        yield Violation(path, "Invalid duration: Expected positive duration")
    elif duration.seconds > _MOST_SECONDS:
        yield Violation(path, "Invalid duration: Duration out-of-range")


_Rule: TypeAlias = Callable[[Message, str], Iterator[Violation]]


@cache
def _matters(name: str) -> bool:
    """Say whether a message kind, or any kind below it, has a rule."""
    reached = [pool().FindMessageTypeByName(name)]
    seen = {name}
    while reached:
        kind = reached.pop()
        if kind.full_name in ("google.protobuf.Any", _DURATION) or _plan(kind.full_name):
            return True
        for field in kind.fields:
            below = field.message_type
            if below is not None and below.full_name not in seen:
                seen.add(below.full_name)
                reached.append(below)
    return False


@cache
def _plan(name: str) -> tuple[_Rule, ...]:
    """Return the rules of one message kind, each a function."""
    kind: Descriptor = pool().FindMessageTypeByName(name)
    rules: list[_Rule] = []
    for field in kind.fields:
        found = _option(field, "google.protobuf.FieldOptions", "validate.rules")
        if found is not None:
            rules += _field_rules(kind.name, field, found)
    for oneof in kind.oneofs:
        if _option(oneof, "google.protobuf.OneofOptions", "validate.required"):
            rules.append(_one_of(f"{kind.name}ValidationError.{_camel(oneof.name)}", oneof.name))
    return tuple(rules)


def _option(holder: Any, options: str, extension: str) -> Any:  # noqa: ANN401 - protobuf
    """Return an option that only the private pool knows; `None` if it is not set."""
    kind = message_factory.GetMessageClass(pool().FindMessageTypeByName(options))
    read = kind.FromString(holder.GetOptions().SerializeToString())
    known: Any = pool().FindExtensionByName(extension)
    return read.Extensions[known] if read.HasExtension(known) else None


def _one_of(title: str, name: str) -> _Rule:
    def rule(message: Message, path: str) -> Iterator[Violation]:
        if message.WhichOneof(name) is None:
            yield Violation(path, f"{title}: value is required")

    return rule


def _field_rules(kind: str, field: FieldDescriptor, rules: Any) -> Iterator[_Rule]:  # noqa: ANN401
    title = f"{kind}ValidationError.{_camel(field.name)}"
    which = rules.WhichOneof("type")
    required = rules.HasField("message") and rules.message.required
    if which in ("duration", "any", "timestamp"):
        required = required or getattr(rules, which).required
    # Of a oneof, only the member that is set is looked at.
    if required and field.containing_oneof is None:
        yield _required(title, field.name)
    if which in ("repeated", "map"):
        yield _each(title, field, getattr(rules, which))
    elif which is not None and which not in ("any", "timestamp"):
        check = _check(which, getattr(rules, which), field)
        if check is not None:
            yield _single(title, field, check)


def _required(title: str, name: str) -> _Rule:
    def rule(message: Message, path: str) -> Iterator[Violation]:
        if not message.HasField(name):
            yield Violation(_at(path, name), f"{title}: value is required")

    return rule


def _single(title: str, field: FieldDescriptor, check: Check) -> _Rule:
    name = field.name
    inner = field.message_type
    wrapper = inner is not None
    duration = inner is not None and inner.full_name == _DURATION
    optional = field.has_presence

    def rule(message: Message, path: str) -> Iterator[Violation]:
        if optional and not message.HasField(name):
            return
        value = getattr(message, name)
        if duration:
            value = value.seconds * 1_000_000_000 + value.nanos
        elif wrapper:
            value = value.value
        wrong = check(value)
        if wrong is not None:
            yield Violation(_at(path, name), f"{title}: {wrong}")

    return rule


def _each(title: str, field: FieldDescriptor, rules: Any) -> _Rule:  # noqa: ANN401 - protobuf
    name = field.name
    wrong_size = _size(rules)
    checks: list[tuple[Check, Callable[[Any], Any]]] = []
    for part, values in (("items", list), ("keys", list), ("values", dict.values)):
        if part in rules.DESCRIPTOR.fields_by_name and rules.HasField(part):
            own = getattr(rules, part)
            which = own.WhichOneof("type")
            check = _check(which, getattr(own, which), field) if which else None
            if check is not None:
                checks.append((check, values))

    def rule(message: Message, path: str) -> Iterator[Violation]:
        given = getattr(message, name)
        wrong = wrong_size(given)
        if wrong is not None:
            yield Violation(_at(path, name), f"{title}: {wrong}")
        for check, values in checks:
            for at, value in enumerate(values(given)):
                wrong = check(value)
                if wrong is not None:
                    yield Violation(f"{_at(path, name)}[{at}]", f"{title}[{at}]: {wrong}")

    return rule


def _size(rules: Any) -> Check:  # noqa: ANN401 - protobuf
    unit = "pairs" if "min_pairs" in rules.DESCRIPTOR.fields_by_name else "items"
    least, most = getattr(rules, f"min_{unit}"), getattr(rules, f"max_{unit}")
    has_most = rules.HasField(f"max_{unit}")
    unique = unit == "items" and rules.unique
    word = "item(s)" if unit == "items" else "pair(s)"

    def check(given: Any) -> str | None:  # noqa: ANN401 - protobuf
        if len(given) < least:
            return f"value must contain at least {least} {word}"
        if has_most and len(given) > most:
            return f"value must contain no more than {most} {word}"
        if unique and len({_hashable(item) for item in given}) < len(given):
            return "repeated value must contain unique items"
        return None

    return check


def _hashable(item: Any) -> Any:  # noqa: ANN401 - protobuf
    return item.SerializeToString(deterministic=True) if isinstance(item, Message) else item


def _check(which: str, rules: Any, field: FieldDescriptor) -> Check | None:  # noqa: ANN401
    if which == "string":
        return _text(rules)
    if which == "bytes":
        return _bytes(rules)
    if which == "enum":
        return _enum(rules, field)
    if which == "bool":
        return lambda value: (
            None if value == rules.const else f"value must equal {str(rules.const).lower()}"
        )
    return _number(rules, duration=which == "duration")


def _number(rules: Any, *, duration: bool) -> Check:  # noqa: ANN401 - protobuf
    def bound(name: str) -> Any:  # noqa: ANN401 - int, float or nothing
        if not rules.HasField(name):
            return None
        value = getattr(rules, name)
        return value.seconds * 1_000_000_000 + value.nanos if duration else value

    low, low_open = (bound("gt"), True) if rules.HasField("gt") else (bound("gte"), False)
    high, high_open = (bound("lt"), True) if rules.HasField("lt") else (bound("lte"), False)
    ignore_empty = not duration and rules.ignore_empty

    def show(value: Any) -> str:  # noqa: ANN401 - int or float
        return f"{value / 1_000_000_000:g}s" if duration else str(value)

    def check(value: Any) -> str | None:  # noqa: ANN401 - int or float
        if ignore_empty and not value:
            return None
        below = low is not None and (value <= low if low_open else value < low)
        above = high is not None and (value >= high if high_open else value > high)
        if not below and not above:
            return None
        if low is not None and high is not None:
            brackets = ("(" if low_open else "[", ")" if high_open else "]")
            return f"value must be inside range {brackets[0]}{low}, {high}{brackets[1]}"
        if below:
            return f"value must be greater than {'' if low_open else 'or equal to '}{show(low)}"
        return f"value must be less than {'' if high_open else 'or equal to '}{show(high)}"

    return check


def _enum(rules: Any, field: FieldDescriptor) -> Check:  # noqa: ANN401 - protobuf
    assert field.enum_type is not None, "the rule is one of enums"
    known = frozenset(field.enum_type.values_by_number) if rules.defined_only else None
    refused = frozenset(rules.not_in)

    def check(value: int) -> str | None:
        if known is not None and value not in known:
            return "value must be one of the defined enum values"
        if value in refused:
            return f"value must not be in list {sorted(refused)}"
        return None

    return check


def _bytes(rules: Any) -> Check:  # noqa: ANN401 - protobuf
    def check(value: bytes) -> str | None:
        if len(value) < rules.min_len:
            return f"value length must be at least {rules.min_len} bytes"
        if rules.HasField("max_len") and len(value) > rules.max_len:
            return f"value length must be at most {rules.max_len} bytes"
        return None

    return check


def _text(rules: Any) -> Check:  # noqa: ANN401 - protobuf
    parts = list(_text_parts(rules))

    def check(value: str) -> str | None:
        if rules.ignore_empty and not value:
            return None
        for wrong, reason in parts:
            if wrong(value):
                return reason
        return None

    return check


def _text_parts(rules: Any) -> Iterator[tuple[Callable[[str], bool], str]]:  # noqa: ANN401
    """Yield what makes a text wrong, with what is said of it."""
    least, most, bytes_most = rules.min_len, rules.max_len, rules.max_bytes
    if least:
        yield (lambda text: len(text) < least, f"value length must be at least {least} characters")
    if rules.HasField("max_len"):
        yield (lambda text: len(text) > most, f"value length must be at most {most} characters")
    if rules.HasField("max_bytes"):
        yield (
            lambda text: len(text.encode()) > bytes_most,
            f"value length must be at most {bytes_most} bytes",
        )
    pattern = _pattern(rules)
    if pattern:
        matcher = re2.compile(pattern)
        yield (
            lambda text: matcher.search(text) is None,
            f'value does not match regex pattern "{pattern}"',
        )
    if rules.prefix:
        reason = f'value does not have prefix "{rules.prefix}"'
        yield (lambda text: not text.startswith(rules.prefix), reason)
    if rules.suffix:
        reason = f'value does not have suffix "{rules.suffix}"'
        yield (lambda text: not text.endswith(rules.suffix), reason)
    if len(getattr(rules, "in")):
        allowed = frozenset(getattr(rules, "in"))
        listed = ", ".join(f'"{each}"' for each in getattr(rules, "in"))
        yield (lambda text: text not in allowed, f"value must be in list [{listed}]")


def _pattern(rules: Any) -> str:  # noqa: ANN401 - protobuf
    if not rules.well_known_regex:
        return str(rules.pattern)
    strict = not rules.HasField("strict") or rules.strict
    if not strict:
        return _LENIENT
    return _HEADER_NAME if rules.well_known_regex == 1 else _HEADER_VALUE


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
