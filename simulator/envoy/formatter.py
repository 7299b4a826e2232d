"""Envoy's format strings in headers, rewrites and access logs: `%REQ(x-user)%` and its kin.

Follows   envoy/source/common/formatter/{substitution_format_utility,substitution_formatter}.cc
Leaves    commands that are said to have no value (docs/fidelity.md#format-commands)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from simulator.envoy import cel
from simulator.envoy.cel_parse import BadExpressionError, UnmodelledError
from simulator.envoy.format_commands import (
    COMMANDS,
    LOG_COMMANDS,
    UNMODELLED,
    Facts,
    as_text,
    plain,
)
from simulator.envoy.format_time import bad_precision

_COMMAND = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\)(?=%|:[0-9]+%))?(?::([0-9]+))?%")
_HEADERS = frozenset({"REQ", "REQUEST_HEADER", "RESP", "RESPONSE_HEADER", "TRAILER",
                      "RESPONSE_TRAILER"})  # fmt: skip
_LONG = _HEADERS | {"DYNAMIC_METADATA", "ENVIRONMENT", "QUERY_PARAM", "FILTER_STATE",
                    "UPSTREAM_FILTER_STATE", "METADATA", "CEL", "PATH", "QUERY_PARAMS"}  # fmt: skip
"""Commands whose value may be cut."""
_REQUIRED = _HEADERS | {"DYNAMIC_METADATA", "CLUSTER_METADATA", "UPSTREAM_METADATA", "ENVIRONMENT",
                        "QUERY_PARAM", "COMMON_DURATION"}  # fmt: skip
_OPTIONAL = frozenset({"START_TIME", "START_TIME_LOCAL", "EMIT_TIME", "EMIT_TIME_LOCAL",
                       "GRPC_STATUS", "REQUESTED_SERVER_NAME",
                       "RESPONSE_CODE_DETAILS"})  # fmt: skip
_CHOICES = {
    "PATH": ("WQ", "NQ"),
    "QUERY_PARAMS": ("ORIG", "DECODED"),
    "REQUESTED_SERVER_NAME": ("SNI_ONLY", "SNI_FIRST", "HOST_FIRST"),
}
_METADATA = ("DYNAMIC", "CLUSTER", "ROUTE", "UPSTREAM_HOST", "LISTENER", "LISTENER_FILTER_CHAIN",
             "VIRTUAL_HOST")  # fmt: skip


class BadFormatError(ValueError):
    """A format string that Envoy refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One `%COMMAND(argument):length%`."""

    name: str
    argument: str = ""
    length: int | None = None


Format: TypeAlias = tuple[str | Command, ...]
"""Literal text and commands, in order."""
JsonFormat: TypeAlias = Mapping[str, Any]
"""A JSON object whose texts are `Format`s."""


def parse(text: str) -> Format:
    """Return a format string's parts.

    Raises BadFormatError with Envoy's reason.
    """
    parts: list[str | Command] = []
    literal: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "%":
            literal.append(text[at])
            at += 1
        elif text.startswith("%%", at):
            literal.append("%")
            at += 2
        else:
            found = _COMMAND.match(text, at)
            if found is None:
                message = (
                    f"Incorrect configuration: {text}. Couldn't find valid command at position {at}"
                )
                raise BadFormatError(message)
            if literal:
                parts.append("".join(literal))
                literal.clear()
            parts.append(_command(found))
            at = found.end()
    if literal:
        parts.append("".join(literal))
    return tuple(parts)


def _command(found: re.Match[str]) -> Command:
    name, argument, length = found.groups()
    if name not in COMMANDS and name not in LOG_COMMANDS and name not in UNMODELLED:
        raise BadFormatError(f"Not supported field in StreamInfo: {name}")
    refusal = _refusal(name, argument or "", length)
    if refusal:
        raise BadFormatError(refusal)
    return Command(
        name=name, argument=argument or "", length=int(length) if length is not None else None
    )


def _refusal(name: str, argument: str, length: str | None) -> str:
    """Return why Envoy refuses a command that it knows; empty if it does not."""
    takes = name in _LONG or name in _REQUIRED or name in _OPTIONAL
    takes = takes or name.endswith(("_WITHOUT_PORT", "_CERT_V_START", "_CERT_V_END"))
    if "ATTEMPTED" in name or "HOST_NAME" in name or not takes:
        if argument or length is not None:
            return f"{name} does not take any parameters or length"
        return ""
    if name in _REQUIRED and not argument:
        return f"{name} requires parameters"
    if length is not None and name not in _LONG:
        return f"{name} does not allow length to be specified."
    return _bad_argument(name, argument)


def _bad_argument(name: str, argument: str) -> str:
    first, *_ = options = argument.split(":")
    if name in _HEADERS and argument.count("?") > 1:
        return f"More than 1 alternative header specified in token: {argument}"
    if name.endswith("FILTER_STATE") and not first:
        return "Invalid filter state configuration, key cannot be empty."
    if name == "CEL":
        return _bad_expression(argument)
    if name == "METADATA" and first not in _METADATA:
        return f"{first} is not supported type of metadata"
    if name == "GRPC_STATUS" and argument not in ("", "CAMEL_STRING", "SNAKE_STRING", "NUMBER"):
        told = "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER."
        return f"{told} Got: {argument}"
    if name == "COMMON_DURATION":
        if len(options) != 3:
            return f"Invalid common duration configuration: {argument}."
        return bad_precision(options[2])
    allowed = _CHOICES.get(name)
    if allowed is not None and first and first not in allowed:
        told = "/".join(f"'{one}'" for one in allowed)
        return f"Invalid {name} option: '{first}', only {told} are allowed"
    return ""


def _bad_expression(text: str) -> str:
    try:
        cel.checked(text)
    except UnmodelledError:
        return ""
    except BadExpressionError as error:
        return f"Not able to parse expression: {error}"
    return ""


def unmodelled(parts: Format, *, logged: bool = False) -> tuple[str, ...]:
    """Return the commands that Envoy knows and the simulator renders empty.

    `logged`: the format is an access log's, which knows how the request ended.
    """
    return tuple(
        part.name
        for part in parts
        if isinstance(part, Command) and not _is_modelled(part, logged=logged)
    )


def _is_modelled(command: Command, *, logged: bool) -> bool:
    if command.name == "CEL":
        try:
            cel.checked(command.argument)
        except UnmodelledError:
            return False
    return command.name in COMMANDS or (logged and command.name in LOG_COMMANDS)


def render(parts: Format, facts: Facts, missing: str = "") -> str:
    """Return the text; a command without a value gives what `missing` says."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return "".join(part if isinstance(part, str) else _text(part, facts, missing) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """How a line of a log or the body of an answer is written."""

    text: Format = ()
    json: JsonFormat | None = None
    """In place of `text`."""
    omit_empty: bool = False

    def render(self, facts: Facts) -> str:
        """Return what is written, with an end of line after JSON."""
        if self.json is None:
            return render(self.text, facts, "" if self.omit_empty else "-")
        return as_text(render_json(self.json, facts, omit_empty=self.omit_empty)) + "\n"


def render_json(format_: JsonFormat, facts: Facts, *, omit_empty: bool) -> dict[str, Any]:
    """Return the object; `omit_empty` leaves out what has no value, which is null otherwise."""
    made = {name: _json(inner, facts, omit_empty=omit_empty) for name, inner in format_.items()}
    return {name: value for name, value in made.items() if not omit_empty or value is not None}


def _json(inner: Any, facts: Facts, *, omit_empty: bool) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(inner, Mapping):
        return render_json(inner, facts, omit_empty=omit_empty)
    if isinstance(inner, list):
        made = [_json(one, facts, omit_empty=omit_empty) for one in inner]
        return [one for one in made if not omit_empty or one is not None]
    if not isinstance(inner, tuple):
        return plain(inner)
    if len(inner) == 1 and isinstance(inner[0], Command):
        return _value(inner[0], facts)
    return render(inner, facts, "" if omit_empty else "-")


def _text(command: Command, facts: Facts, missing: str) -> str:
    value = _value(command, facts)
    return missing if value is None else as_text(value)


def _value(command: Command, facts: Facts) -> Any:  # noqa: ANN401 - a JSON value
    of_log = LOG_COMMANDS.get(command.name)
    if of_log is not None and facts.end is not None:
        value = of_log(command.argument, facts, facts.end)
    else:
        evaluate = COMMANDS.get(command.name)
        value = evaluate(command.argument, facts) if evaluate is not None else None
    if command.length is not None and value is not None:
        return as_text(value)[: command.length]
    return value
