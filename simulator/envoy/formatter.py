"""Envoy's format strings in header values and rewrites: `%REQ(x-user)%` and its kin.

Follows   envoy/source/common/formatter/substitution_format_string.cc, substitution_formatter.cc
Leaves    commands about time, bytes, TLS and upstreams (docs/fidelity.md#format-commands)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from simulator.envoy import cel
from simulator.envoy.request import PLAIN, Request, StreamInfo

_COMMAND = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\)(?=%|:[0-9]+%))?(?::([0-9]+))?%")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a format string may speak of."""

    request: Request
    response_headers: tuple[tuple[str, str], ...] = ()
    info: StreamInfo = PLAIN
    route_name: str = ""
    cluster: str = ""
    virtual_host: str = ""
    status: int | None = None


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
    if name not in COMMANDS and name not in UNMODELLED:
        raise BadFormatError(f"Not supported field in StreamInfo: {name}")
    return Command(
        name=name, argument=argument or "", length=int(length) if length is not None else None
    )


def unmodelled(parts: Format) -> tuple[str, ...]:
    """Return the commands that Envoy knows and the simulator renders empty."""
    return tuple(
        part.name for part in parts if isinstance(part, Command) and not _is_modelled(part)
    )


def _is_modelled(command: Command) -> bool:
    if command.name == "CEL":
        try:
            cel.parse(command.argument)
        except cel.UnmodelledError:
            return False
    return command.name not in UNMODELLED


def render(parts: Format, facts: Facts) -> str:
    """Return the text; a command without a value gives nothing."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return "".join(part if isinstance(part, str) else _value(part, facts) for part in parts)


def _value(command: Command, facts: Facts) -> str:
    evaluate = COMMANDS.get(command.name)
    value = evaluate(command.argument, facts) if evaluate is not None else None
    if value is None:
        return ""
    return value if command.length is None else value[: command.length]


def _names(argument: str) -> list[str]:
    return [name.strip().lower() for name in argument.split("?", 1)]


def _request_header(argument: str, facts: Facts) -> str | None:
    for name in _names(argument):
        if (value := facts.request.first(name)) is not None:
            return value
    return None


def _response_header(argument: str, facts: Facts) -> str | None:
    for name in _names(argument):
        for key, value in facts.response_headers:
            if key == name:
                return value
    return None


def _path(argument: str, facts: Facts) -> str | None:
    options = argument.split(":")
    path: str | None = facts.request.path
    if len(options) > 1 and options[1] in ("ORIG", "ORIG_OR_PATH"):
        original = facts.request.first("x-envoy-original-path")
        path = original if original is not None or options[1] == "ORIG" else path
    if path and options[0] == "NQ":
        path = path.partition("?")[0]
    return path or None


def _query(argument: str, facts: Facts) -> str | None:
    name, _, _ = argument.partition(":")
    _, _, query = facts.request.path.partition("?")
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return None


def _metadata(argument: str, facts: Facts) -> str | None:
    value: Any = facts.info.metadata
    for step in argument.split(":"):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return None if value is None else as_text(value)


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value as a format string shows it: a text as it is, others as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value whose whole numbers have no fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _filter_state(argument: str, facts: Facts) -> str | None:
    return facts.info.filter_state.get(argument.split(":")[0])


def _source(_: str, facts: Facts) -> str | None:
    return facts.info.source_address or None


def _cel(argument: str, facts: Facts) -> str | None:
    try:
        return cel.parse(argument)(facts.request)
    except cel.UnmodelledError:
        return None


def _status(_: str, facts: Facts) -> str | None:
    return str(facts.status) if facts.status is not None else None


COMMANDS: dict[str, Callable[[str, Facts], str | None]] = {
    "REQ": _request_header,
    "REQUEST_HEADER": _request_header,
    "RESP": _response_header,
    "PATH": _path,
    "QUERY_PARAM": _query,
    "DYNAMIC_METADATA": _metadata,
    "FILTER_STATE": _filter_state,
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": _source,
    "ROUTE_NAME": lambda _, facts: facts.route_name or None,
    "UPSTREAM_CLUSTER": lambda _, facts: facts.cluster or None,
    "VIRTUAL_HOST_NAME": lambda _, facts: facts.virtual_host or None,
    "RESPONSE_CODE": _status,
    "CEL": _cel,
}
"""Commands by name: the argument in, the value out, None where there is none."""

_UNMODELLED = """
    ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_SENT COMMON_DURATION CONNECTION_ID
    CONNECTION_TERMINATION_DETAILS CUSTOM_FLAGS DOWNSTREAM_DETECTED_CLOSE_TYPE
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT
    DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS
    DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_REMOTE_PORT
    DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_SENT
    DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_CLOSE_REASON
    DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_IP_SAN
    DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT
    DOWNSTREAM_LOCAL_URI_SAN DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CERT_V_END
    DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1
    DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_DNS_SAN
    DOWNSTREAM_PEER_EMAIL_SAN DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_FINGERPRINT_256
    DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_ISSUER DOWNSTREAM_PEER_OTHERNAME_SAN
    DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN
    DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_PORT DOWNSTREAM_SSL_FINGERPRINT_256
    DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TLS_VERSION
    DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED
    DOWNSTREAM_WIRE_BYTES_SENT DURATION EMIT_TIME ENVIRONMENT FILTER_CHAIN_NAME GRPC_STATUS
    GRPC_STATUS_NUMBER HOSTNAME LOCAL_REPLY_BODY METADATA PROTOCOL REQUESTED_SERVER_NAME
    REQUEST_DURATION REQUEST_HEADERS_BYTES REQUEST_TX_DURATION RESPONSE_CODE_DETAILS
    RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES
    RESPONSE_TRAILERS_BYTES RESPONSE_TX_DURATION ROUNDTRIP_DURATION START_TIME START_TIME_LOCAL
    STREAM_ID TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID TRAILER UNIQUE_ID
    UPSTREAM_CLUSTER_RAW UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_POOL_READY_DURATION
    UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_FILTER_STATE UPSTREAM_HEADER_BYTES_RECEIVED
    UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED UPSTREAM_HOST_NAME
    UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_LOCAL_ADDRESS
    UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_PORT
    UPSTREAM_METADATA UPSTREAM_PEER_CERT UPSTREAM_PEER_CERT_V_END UPSTREAM_PEER_CERT_V_START
    UPSTREAM_PEER_DNS_SAN UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN
    UPSTREAM_PROTOCOL UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT
    UPSTREAM_REMOTE_PORT UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_TLS_CIPHER
    UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION UPSTREAM_TRANSPORT_FAILURE_REASON
    UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME
"""
UNMODELLED = frozenset(_UNMODELLED.split())
"""Commands that Envoy takes and the simulator renders empty."""
