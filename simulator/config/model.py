"""What the typed parts of a manifest have in common.

Attributes are the API's fields in snake_case; `_ns` ends a duration, `_` a Python keyword.
A manifest is read by the API's own names alone; code may use the attributes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_LONGEST_NS = (1 << 63) - 1
_SHORTEST_NS = 1_000_000
_Items = TypeVar("_Items", bound=tuple[Any, ...])


def api_name(attribute: str) -> str:
    """Return the API's name of an attribute."""
    return to_camel(attribute.removesuffix("_ns").removesuffix("_"))


class Spec(BaseModel):
    """A part of a manifest: immutable, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=api_name,
        validate_by_alias=True,
        validate_by_name=True,
        use_attribute_docstrings=True,
    )


def refusal(problem: str, at: str = "", **arguments: object) -> PydanticCustomError:
    """Return the error that a validator raises; `at` is a field below the one validated."""
    return PydanticCustomError("refused", problem, {"at": at, **arguments})


def only_one(*attributes: str) -> Any:  # noqa: ANN401 - pydantic's decorator proxy
    """Return a validator: at most one of the attributes is written."""

    def check(part: Spec) -> Spec:
        written = [api_name(each) for each in attributes if each in part.model_fields_set]
        if len(written) > 1:
            raise refusal("only one of {names} may be set", written[1], names=" and ".join(written))
        return part

    return model_validator(mode="after")(check)


def unique(key: str) -> AfterValidator:
    """Return a validator: no two items of a list have the same `key`."""

    def check(items: _Items) -> _Items:
        first: dict[object, int] = {}
        for at, item in enumerate(items):
            value = getattr(item, key)
            if value in first:
                place = f"[{at}].{api_name(key)}"
                raise refusal("item {at_} has '{value}' already", place, at_=first[value],
                              value=value)  # fmt: skip
            first[value] = at
        return items

    return AfterValidator(check)


def parse_duration(text: str) -> int:
    """Return the nanoseconds of text such as `1m30s`; ValueError for anything else."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"+", "-"} else text
    parts = _PART.findall(rest)
    if rest == "0":
        return 0
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise PydanticCustomError(
            "duration", "expected a duration such as 5s, 250ms or 1m30s, got {got}", {"got": text}
        )
    total = sum(_scaled(number, _UNITS_NS[unit]) for number, unit in parts)
    if total > _LONGEST_NS:
        raise PydanticCustomError("duration", "the duration {got} is too long", {"got": text})
    return sign * total


def _scaled(number: str, unit_ns: int) -> int:
    whole, _, fraction = number.partition(".")
    if len(whole) > 19:  # more digits than the longest duration has
        return _LONGEST_NS + 1
    fraction = fraction[:18]
    return int(whole or 0) * unit_ns + int(fraction or 0) * unit_ns // int(10 ** len(fraction))


def _written(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        wording = "expected a duration with a unit, such as {got}s, got the number {got}"
        raise PydanticCustomError("duration", wording, {"got": value})
    return parse_duration(value) if isinstance(value, str) else value


def _lasting(duration_ns: int) -> int:
    if duration_ns < _SHORTEST_NS:
        raise refusal("expected a duration of 1ms or more")
    return duration_ns


Text = Annotated[str, Strict()]
Int = Annotated[int, Strict()]
Int32 = Annotated[int, Strict(), Field(ge=-(1 << 31), lt=1 << 31)]
UInt32 = Annotated[int, Strict(), Field(ge=0, lt=1 << 32)]
UInt64 = Annotated[int, Strict(), Field(ge=0, lt=1 << 64)]
Bool = Annotated[bool, Strict()]
Double = Annotated[float, Strict()]
PortNumber = Annotated[int, Strict(), Field(ge=1, le=65535)]
Duration = Annotated[int, BeforeValidator(_written, json_schema_input_type=str)]
LastingDuration = Annotated[Duration, AfterValidator(_lasting)]
"""A duration of 1 ms or more, as Istio's API asks of nearly all."""
