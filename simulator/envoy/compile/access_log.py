"""Compile access logs: where they go, how they are written and what is kept out.

Models    envoy.config.accesslog.v3.{AccessLog, AccessLogFilter},
          envoy.config.core.v3.SubstitutionFormatString
Follows   envoy/source/common/access_log/access_log_impl.cc,
          source/extensions/access_loggers/{file,stream}/config.cc
Leaves    logs over gRPC, logs of requests under way (docs/fidelity.md#access-log)
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from simulator import envoy_api
from simulator.envoy import cel, cel_parse
from simulator.envoy.access_log import AccessLog
from simulator.envoy.compile.fields import fraction
from simulator.envoy.compile.matchers import header_matcher, metadata_matcher
from simulator.envoy.compile.mutations import format_string
from simulator.envoy.formatter import Format, Substitution
from simulator.envoy.log_filter import (
    Comparison,
    Every,
    Expression,
    Flags,
    GrpcStatus,
    Headers,
    LogFilter,
    LogType,
    Metadata,
    NotHealthCheck,
    Sampled,
    Traceable,
    duration_ms,
    status,
)
from simulator.envoy.rejected import Scope

_LOGGERS = "envoy.extensions.access_loggers."
_FILE = f"{_LOGGERS}file.v3.FileAccessLog"
_STREAMS = {
    f"{_LOGGERS}stream.v3.StdoutAccessLog": "/dev/stdout",
    f"{_LOGGERS}stream.v3.StderrAccessLog": "/dev/stderr",
}
_USUAL = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)
"""The format of a log that has none of its own."""
_CEL = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
_COMPARE = (operator.eq, operator.ge, operator.le, operator.ne)


def access_logs(messages: Iterable[Any], scope: Scope) -> tuple[AccessLog, ...]:
    """Compile the field `access_log` of the message at `scope`."""
    found = (_access_log(one, scope.at("access_log", at)) for at, one in enumerate(messages))
    return tuple(one for one in found if one is not None)


def _access_log(message: Any, scope: Scope) -> AccessLog | None:  # noqa: ANN401 - protobuf
    inner = scope.at("typed_config")
    try:
        config = envoy_api.unpack(message.typed_config)
    except KeyError:
        kind = message.typed_config.type_url.rpartition("/")[2]
        raise inner.reject(
            f"Didn't find a registered implementation for '{message.name}' with type URL: '{kind}'"
        ) from None
    kind = envoy_api.name_of(config)
    if kind != _FILE and kind not in _STREAMS:
        inner.skip("", f"the access log {message.name} is not written")
        return None
    chosen = None
    if message.HasField("filter"):
        chosen = log_filter(message.filter, scope.at("filter"))
    return AccessLog(
        sink=config.path if kind == _FILE else _STREAMS[kind],
        filter=chosen,
        field=scope.ref,
        form=_form(config, inner),
    )


def _form(config: Any, scope: Scope) -> Substitution:  # noqa: ANN401 - protobuf
    """Return how lines are written."""
    which = config.WhichOneof("access_log_format")
    match which:
        case None:
            return Substitution(text=format_string(_USUAL, scope, logged=True))
        case "format":
            text = config.format or _USUAL
            return Substitution(text=format_string(text, scope.at(which), logged=True))
        case "json_format" | "typed_json_format":
            return Substitution(json=_json(getattr(config, which), scope.at(which)))
    return substitution(config.log_format, scope.at("log_format"))


def substitution(message: Any, scope: Scope) -> Substitution:  # noqa: ANN401 - protobuf
    """Compile a SubstitutionFormatString."""
    omit = bool(message.omit_empty_values)
    for at, one in enumerate(message.formatters):
        if not one.typed_config.type_url.startswith("type.googleapis.com/envoy.extensions.format"):
            scope.at("formatters", at).skip("", "its commands give nothing")
    which = message.WhichOneof("format")
    match which:
        case "json_format":
            return Substitution(json=_json(message.json_format, scope.at(which)), omit_empty=omit)
        case "text_format_source":
            source = message.text_format_source
            inner = scope.at(which)
            if source.WhichOneof("specifier") not in ("inline_string", "inline_bytes"):
                inner.skip("", "what is read from elsewhere is not known: the line is empty")
            text = source.inline_string or source.inline_bytes.decode("utf-8", "replace")
            return Substitution(text=format_string(text, inner, logged=True), omit_empty=omit)
    parts = format_string(message.text_format, scope.at("text_format"), logged=True)
    return Substitution(text=parts, omit_empty=omit)


def _json(struct: Any, scope: Scope) -> Mapping[str, Any]:  # noqa: ANN401 - protobuf
    made = _formats(envoy_api.format(struct), scope)
    assert isinstance(made, dict), "a struct is an object"
    return made


def _formats(value: Any, scope: Scope) -> Any:  # noqa: ANN401 - a JSON value
    """Return a JSON value with its texts as formats."""
    if isinstance(value, str):
        parts: Format = format_string(value, scope, logged=True)
        return parts
    if isinstance(value, Mapping):
        return {name: _formats(inner, scope.at(name)) for name, inner in value.items()}
    return [_formats(inner, scope) for inner in value] if isinstance(value, list) else value


def log_filter(message: Any, scope: Scope) -> LogFilter | None:  # noqa: ANN401 - protobuf
    """Compile an AccessLogFilter; None: everything is logged."""
    which = message.WhichOneof("filter_specifier")
    if which is None:
        raise scope.reject("AccessLogFilterValidationError.FilterSpecifier: value is required")
    inner, given = scope.at(which), getattr(message, which)
    match which:
        case "and_filter" | "or_filter":
            found = [
                log_filter(one, inner.at("filters", at)) for at, one in enumerate(given.filters)
            ]
            parts = tuple(one for one in found if one is not None)
            return Every(parts, any_one=which == "or_filter")
        case "status_code_filter" | "duration_filter":
            compared = given.comparison
            value_of = status if which == "status_code_filter" else duration_ms
            return Comparison(value_of, _COMPARE[compared.op], int(compared.value.default_value))
        case "not_health_check_filter":
            return NotHealthCheck()
        case "traceable_filter":
            return Traceable()
        case "header_filter":
            return Headers(header_matcher(given.header, inner.at("header")))
        case "response_flag_filter":
            return Flags(frozenset(given.flags))
        case "grpc_status_filter":
            return GrpcStatus(frozenset(int(one) for one in given.statuses), bool(given.exclude))
        case "runtime_filter":
            return _sampled(given, inner)
    return _rarer(which, given, inner)


def _rarer(which: str, given: Any, scope: Scope) -> LogFilter | None:  # noqa: ANN401 - protobuf
    if which == "metadata_filter":
        absent = given.match_if_key_not_found
        return Metadata(
            metadata_matcher(given.matcher, scope.at("matcher")),
            absent.value or not given.HasField("match_if_key_not_found"),
        )
    if which == "extension_filter" and given.typed_config.type_url.endswith(_CEL):
        return _expression(envoy_api.unpack(given.typed_config), scope.at("typed_config"))
    if which == "log_type_filter":
        names = type(given).DESCRIPTOR.fields_by_name["types"].enum_type.values_by_number
        types = frozenset(names[int(one)].name for one in given.types)
        return LogType(types, bool(given.exclude))
    scope.skip("", "everything is logged")
    return None


def _expression(message: Any, scope: Scope) -> LogFilter | None:  # noqa: ANN401 - protobuf
    try:
        return Expression(cel.checked(message.expression))
    except cel_parse.BadExpressionError as error:
        raise scope.reject(f"Not able to parse filter expression: {error}") from error
    except cel_parse.UnmodelledError as error:
        scope.skip("expression", f"{error} is not known: everything is logged")
        return None


def _sampled(message: Any, scope: Scope) -> LogFilter:  # noqa: ANN401 - protobuf
    if message.use_independent_randomness:
        scope.skip("use_independent_randomness", "the request's id decides")
    numerator, denominator = 0, 100
    if message.HasField("percent_sampled"):
        numerator, denominator = fraction(message.percent_sampled, scope.at("percent_sampled"))
    return Sampled(numerator, denominator)
