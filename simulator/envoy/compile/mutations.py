"""Compile header changes.

Models    envoy.config.core.v3.HeaderValueOption,
          envoy.config.common.mutation_rules.v3.HeaderMutation
Follows   envoy/source/common/router/header_parser.cc
"""

from __future__ import annotations

import re
from typing import Any

from simulator.envoy.formatter import BadFormatError, Format, parse, unmodelled
from simulator.envoy.mutation import NO_MUTATIONS, Add, Append, Mutations
from simulator.envoy.rejected import Scope

_ACTIONS = (
    Append.APPEND_IF_EXISTS_OR_ADD,
    Append.ADD_IF_ABSENT,
    Append.OVERWRITE_IF_EXISTS_OR_ADD,
    Append.OVERWRITE_IF_EXISTS,
)
_OLD_METADATA = re.compile(r"%((?:UPSTREAM|DYNAMIC)_METADATA)\(\[([^\]]*)\]\)%")
_OLD_STATE = re.compile(r"%PER_REQUEST_STATE\(([^)]*)\)%")


def format_string(text: str, scope: Scope, *, logged: bool = False) -> Format:
    """Compile a format string, `logged` an access log's; its older spellings included."""
    text = _OLD_METADATA.sub(_list_to_colons, text)
    text = _OLD_STATE.sub(r"%FILTER_STATE(\1:PLAIN)%", text)
    try:
        parts = parse(text)
    except BadFormatError as error:
        raise scope.reject(str(error)) from error
    for name in unmodelled(parts, logged=logged):
        scope.skip("", f"%{name}% gives nothing")
    return parts


def _list_to_colons(found: re.Match[str]) -> str:
    names = ":".join(part.strip().strip('"') for part in found[2].split(","))
    return f"%{found[1]}({names})%"


def mutations(message: Any, what: str, scope: Scope) -> Mutations:  # noqa: ANN401 - protobuf
    """Compile `WHAT_headers_to_add` and `WHAT_headers_to_remove` of any level."""
    added = getattr(message, f"{what}_headers_to_add")
    removed = getattr(message, f"{what}_headers_to_remove")
    if not added and not removed:
        return NO_MUTATIONS
    adds = header_value_options(message, f"{what}_headers_to_add", scope).add
    for at, name in enumerate(removed):
        if not name or name.startswith(":") or name.lower() == "host":
            raise scope.at(f"{what}_headers_to_remove", at).reject(
                ":-prefixed or host headers may not be removed"
            )
    return Mutations(add=adds, remove=tuple(name.lower() for name in removed))


def header_value_options(message: Any, name: str, scope: Scope) -> Mutations:  # noqa: ANN401
    """Compile a list of headers to add."""
    options = getattr(message, name)
    return Mutations(
        add=tuple(header_value_option(one, scope.at(name, at)) for at, one in enumerate(options))
    )


def header_value_option(message: Any, scope: Scope) -> Add:  # noqa: ANN401 - protobuf
    """Compile one header to add."""
    header = message.header
    if not header.key:
        raise scope.reject(
            "HeaderValueValidationError.Key: value length must be at least 1 characters"
        )
    if header.key.startswith(":") or header.key.lower() == "host":
        raise scope.reject(":-prefixed or host headers may not be modified")
    action = _ACTIONS[message.append_action]
    if message.HasField("append"):
        if message.append_action:
            raise scope.reject("Both append and append_action are set and it's not allowed")
        if not message.append.value:
            action = Append.OVERWRITE_IF_EXISTS_OR_ADD
    return Add(
        name=header.key.lower(),
        # `raw_value` is for other uses of the message; header changes do not look at it.
        value=format_string(header.value, scope.at("header").at("value")),
        action=action,
        keep_empty=bool(message.keep_empty_value),
        field=scope.ref,
    )


def header_mutations(message: Any, name: str, scope: Scope) -> tuple[Mutations, ...]:  # noqa: ANN401
    """Compile a list of HeaderMutation, each a step of its own."""
    return tuple(_step(one, scope.at(name, at)) for at, one in enumerate(getattr(message, name)))


def _step(message: Any, scope: Scope) -> Mutations:  # noqa: ANN401 - protobuf
    match message.WhichOneof("action"):
        case "remove":
            return Mutations(remove=(message.remove.lower(),))
        case "append":
            return Mutations(add=(header_value_option(message.append, scope.at("append")),))
    scope.skip("", "no header is removed")
    return Mutations()
