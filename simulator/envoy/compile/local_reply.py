"""Compile how a connection manager rewrites the answers that are the proxy's own.

Models    envoy.extensions.filters.network.http_connection_manager.v3.{LocalReplyConfig,
          ResponseMapper}
Follows   envoy/source/common/local_reply/local_reply.cc
"""

from __future__ import annotations

from typing import Any

from simulator.envoy.compile.access_log import log_filter, substitution
from simulator.envoy.compile.mutations import header_value_options
from simulator.envoy.local_reply import JSON
from simulator.envoy.local_reply_config import BodyFormat, LocalReplyConfig, Mapper
from simulator.envoy.rejected import Scope


def local_reply(message: Any, scope: Scope) -> LocalReplyConfig | None:  # noqa: ANN401 - protobuf
    """Compile the field `local_reply_config` of a connection manager, if it is set."""
    if not message.HasField("local_reply_config"):
        return None
    given, inner = message.local_reply_config, scope.at("local_reply_config")
    return LocalReplyConfig(
        mappers=tuple(
            _mapper(one, inner.at("mappers", at)) for at, one in enumerate(given.mappers)
        ),
        body_format=_body_format(given, "body_format", inner),
    )


def _mapper(message: Any, scope: Scope) -> Mapper:  # noqa: ANN401 - protobuf
    if not message.HasField("filter"):
        raise scope.reject("ResponseMapperValidationError.Filter: value is required")
    status = int(message.status_code.value) if message.HasField("status_code") else None
    if status is not None and not 200 <= status < 600:
        raise scope.reject(
            "ResponseMapperValidationError.StatusCode: value must be inside range [200, 600)"
        )
    return Mapper(
        filter=log_filter(message.filter, scope.at("filter")),
        status=status,
        body=_body(message, scope),
        body_format=_body_format(message, "body_format_override", scope),
        headers=header_value_options(message, "headers_to_add", scope),
        field=scope.ref,
    )


def _body(message: Any, scope: Scope) -> str | None:  # noqa: ANN401 - protobuf
    if not message.HasField("body"):
        return None
    source = message.body
    if source.WhichOneof("specifier") not in ("inline_string", "inline_bytes"):
        scope.skip("body", "what is read from elsewhere is not known: the body is empty")
    return str(source.inline_string or source.inline_bytes.decode("utf-8", "replace"))


def _body_format(message: Any, name: str, scope: Scope) -> BodyFormat | None:  # noqa: ANN401
    if not message.HasField(name):
        return None
    given = getattr(message, name)
    usual = JSON if given.WhichOneof("format") == "json_format" else "text/plain"
    return BodyFormat(
        form=substitution(given, scope.at(name)), content_type=given.content_type or usual
    )
