"""Say in plain words, and with a place, what a model did not accept."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from simulator.config.nodes import Mapped, Node, Positions, Sequence
from simulator.diagnostics import Diagnostic, diagnose

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (`name: value` lines)",
    "mapping_type": "a mapping (`name: value` lines)",
    "model_type": "a mapping (`name: value` lines)",
    "model_attributes_type": "a mapping (`name: value` lines)",
    "tuple_type": "a list (`- item` lines)",
    "list_type": "a list (`- item` lines)",
}
_LONGEST_SHOWN = 60


def mistakes(
    error: ValidationError,
    model: type[BaseModel],
    positions: Positions,
    *,
    prefix: str = "",
    resource: str = "",
) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for each place that a model refused, in the order of the places.

    `prefix` is the field of the document that the model was given, such as `spec`.
    """
    found: dict[str, Diagnostic] = {}
    for each in error.errors(include_url=False):
        if each["type"] == "too_short" and len(each["input"]) >= each["ctx"]["min_length"]:
            # What is wrong with its items, which pydantic leaves out, is said anyway.
            continue
        path, known = _path(each, positions, prefix)
        # A union's members complain one by one about the same place: the first will do.
        if path not in found:
            found[path] = _say(each, path, known, model, positions, resource)
    return tuple(sorted(found.values(), key=lambda one: (one.position is None, one.position)))


def _path(error: ErrorDetails, positions: Positions, prefix: str) -> tuple[str, list[str | int]]:
    """Return the field's path, and the location without the names of types in it."""
    path = prefix
    node: Node | None = _descend(positions.root, prefix)
    known: list[str | int] = []
    location = error["loc"]
    for at, step in enumerate(location):
        inner = _child(node, step)
        last = at == len(location) - 1
        if inner is None and not (last and error["type"] == "missing"):
            continue
        known.append(step)
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
        node = inner
    return _join(path, error.get("ctx", {}).get("at", "")), known


def _join(path: str, below: str) -> str:
    if not below or not path or below.startswith("["):
        return path + below
    return f"{path}.{below}"


def _descend(node: Node, prefix: str) -> Node | None:
    found: Node | None = node
    for step in prefix.replace("]", "").replace("[", ".").split(".") if prefix else ():
        found = _child(found, int(step) if step.isdecimal() else step)
    return found


def _child(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    if isinstance(node, Mapped) and isinstance(step, str) and step in node.entries:
        return node.entries[step].node
    return None


def _say(
    error: ErrorDetails,
    path: str,
    known: list[str | int],
    model: type[BaseModel],
    positions: Positions,
    resource: str,
) -> Diagnostic:
    kind = error["type"]
    context = error.get("ctx", {})
    place = positions.nearest(path)
    got = describe(error["input"])
    code = "bad-value"
    arguments: dict[str, Any] = {"problem": _problem(error), "got": got}
    if kind == "extra_forbidden":
        code, place = "unknown-field", positions.name(path)
        names = sorted(fields_at(model, known[:-1]))
        arguments = {"name": known[-1], "advice": near(str(known[-1]), names)}
    elif kind == "missing":
        code, arguments = "missing-field", {"name": known[-1]}
    elif kind in _WANTED:
        code, arguments = "wrong-type", {"wanted": _WANTED[kind], "got": got}
    elif kind == "literal_error":
        names = [each.strip("'") for each in context["expected"].replace(" or ", ", ").split(", ")]
        code = "unknown-value"
        arguments = {"got": got, "advice": near(str(error["input"]), names)}
    return diagnose(code, position=place, resource=resource, field=path, **arguments)


def _problem(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def near(name: str, known: Iterable[str]) -> str:
    """Return advice: the known names that are like `name`, or all of a few."""
    names = list(known)
    lowered = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=2, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(f'`{lowered[each]}`' for each in close)}?"
    return f"one of {', '.join(f'`{each}`' for each in names)}" if names else "leave it out"


def describe(value: object) -> str:
    """Return what a value is, in the words of someone who writes YAML."""
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
        return f"the text '{shown}'"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else "nothing"


def fields_at(model: type[BaseModel], location: Iterable[str | int]) -> set[str]:
    """Return the names of the fields that may stand at a place; none for a free mapping."""
    models = {model}
    for step in location:
        if isinstance(step, int):
            continue
        found = [field.annotation for each in models for field in _named(each, step)]
        if found:
            models = {each for annotation in found for each in _models(annotation)}
    return {name for each in models for name in _names(each)}


def _named(model: type[BaseModel], name: str) -> Iterator[Any]:
    for attribute, field in model.model_fields.items():
        if name in {attribute, field.alias, *_choices(field)}:
            yield field


def _names(model: type[BaseModel]) -> Iterator[str]:
    for attribute, field in model.model_fields.items():
        choices = _choices(field)
        yield choices[0] if choices else field.alias or attribute


def _choices(field: Any) -> list[str]:  # noqa: ANN401 - pydantic's FieldInfo
    alias = field.validation_alias
    return (
        [alias] if isinstance(alias, str) else [str(each) for each in getattr(alias, "choices", ())]
    )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
