"""What routes do to requests on their way.

Follows   gateway-api apis/v1/httproute_types.go, grpcroute_types.go
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from simulator.config.gateway_api.values import (
    Amount,
    BackendObjectReference,
    Count,
    HeaderName,
    HeaderValue,
    LocalObjectReference,
    PortNumber,
    PreciseHostname,
    form,
)
from simulator.config.model import Bool, Spec, Text

Origin = Annotated[
    Text,
    form(
        r"\*|https?://((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:[0-9]{1,5})?",
        "an origin such as https://*.example.com:8443",
    ),
]
Path = Annotated[Text, Field(max_length=1024)]
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


class HTTPHeader(Spec):
    """A header to set or add."""

    name: HeaderName
    value: HeaderValue


class HTTPHeaderFilter(Spec):
    """What is done to the headers of one direction."""

    set: tuple[HTTPHeader, ...] = Field(default=(), max_length=16)
    add: tuple[HTTPHeader, ...] = Field(default=(), max_length=16)
    remove: tuple[Text, ...] = Field(default=(), max_length=16)


class Fraction(Spec):
    """A share."""

    numerator: Amount
    denominator: Count = 100


class HTTPRequestMirrorFilter(Spec):
    """A backend that gets copies of requests."""

    backend_ref: BackendObjectReference
    percent: Annotated[int, Strict(), Field(ge=0, le=100)] | None = None
    fraction: Fraction | None = None


class HTTPPathModifier(Spec):
    """A new path."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: Path | None = None
    replace_prefix_match: Path | None = None


class HTTPRequestRedirectFilter(Spec):
    """An answer that sends the client elsewhere."""

    scheme: Literal["http", "https"] | None = None
    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None
    port: PortNumber | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302


class HTTPURLRewriteFilter(Spec):
    """What is rewritten before a request is sent on."""

    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None


class HTTPCORSFilter(Spec):
    """Which pages of other origins may call."""

    allow_origins: tuple[Origin, ...] = Field(default=(), max_length=64)
    allow_credentials: Bool | None = None
    allow_methods: tuple[Method | Literal["*"], ...] = Field(default=(), max_length=9)
    allow_headers: tuple[HeaderName, ...] = Field(default=(), max_length=64)
    expose_headers: tuple[HeaderName, ...] = Field(default=(), max_length=64)
    max_age: Count = 5


class ForwardBodyConfig(Spec):
    """How much of the body the authorizer gets."""

    max_size: Amount = 0


class GRPCAuthConfig(Spec):
    """What a gRPC authorizer gets."""

    allowed_headers: tuple[Text, ...] = Field(default=(), max_length=64)


class HTTPAuthConfig(Spec):
    """What an HTTP authorizer gets and may answer."""

    path: Path | None = None
    allowed_headers: tuple[Text, ...] = Field(default=(), max_length=64)
    allowed_response_headers: tuple[Text, ...] = Field(default=(), max_length=64)


class HTTPExternalAuthFilter(Spec):
    """A service that is asked whether a request may pass."""

    protocol: Literal["HTTP", "GRPC"]
    backend_ref: BackendObjectReference
    grpc: GRPCAuthConfig | None = None
    http: HTTPAuthConfig | None = None
    forward_body: ForwardBodyConfig | None = None


class _Filter(Spec):
    @model_validator(mode="before")
    @classmethod
    def _one_field(cls, value: Any) -> Any:  # noqa: ANN401 - raw input
        """Refuse a filter whose fields are not the one that its type asks for."""
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return value
        wanted = _field_of(value["type"])
        known = {str(field.alias) for field in cls.model_fields.values()} - {"type"}
        others = [name for name in value if name in known and name != wanted]
        if wanted in known and (others or wanted not in value):
            has = f" must have {wanted}" if wanted not in value else ""
            lacks = f" cannot have {' or '.join(others)}" if others else ""
            message = "a filter of the type {type}" + (" and" if has and lacks else "").join(
                (has, lacks)
            )
            raise PydanticCustomError("filter", message, {"type": value["type"]})
        return value


def _field_of(kind: str) -> str:
    """Return the field that holds a filter of a type."""
    if kind.isupper():
        return kind.lower()
    return "urlRewrite" if kind == "URLRewrite" else kind[:1].lower() + kind[1:]


class HTTPRouteFilter(_Filter):
    """One step of an HTTP rule: its `type` says which field holds it."""

    type: Literal[
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
        "RequestMirror",
        "RequestRedirect",
        "URLRewrite",
        "ExtensionRef",
        "CORS",
        "ExternalAuth",
    ]
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = None
    cors: HTTPCORSFilter | None = None
    extension_ref: LocalObjectReference | None = None
    external_auth: HTTPExternalAuthFilter | None = None


class GRPCRouteFilter(_Filter):
    """One step of a gRPC rule: its `type` says which field holds it."""

    type: Literal[
        "RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"
    ]
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    extension_ref: LocalObjectReference | None = None
