"""What the fields of Gateway API hold, and the references that its kinds share.

Follows   gateway-api apis/v1/shared_types.go, object_reference_types.go
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

from simulator.config.model import Spec, Text, parse_duration

GROUP = "gateway.networking.k8s.io"
EXPERIMENTAL = "gateway.networking.x-k8s.io"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DOMAIN = rf"{_LABEL}(\.{_LABEL})*"
LONGEST_NAME = 253


def form(
    pattern: str, wanted: str, longest: int = LONGEST_NAME, *, empty: bool = False
) -> AfterValidator:
    """Return a check that a text has a form; `wanted` says it to people."""
    written = re.compile(pattern)

    def check(text: str) -> str:
        if empty and not text:
            return text
        if not text or len(text) > longest or written.fullmatch(text) is None:
            message = "expected {wanted}, got '{got}'"
            raise PydanticCustomError("form", message, {"wanted": wanted, "got": text})
        return text

    return AfterValidator(check)


def nanoseconds(text: str | None) -> int | None:
    """Return a duration's nanoseconds; None for none."""
    return None if text is None else parse_duration(text)


Name = Annotated[Text, Field(min_length=1, max_length=LONGEST_NAME)]
Hostname = Annotated[
    Text, form(rf"(\*\.)?{DOMAIN}", "a host name in lower case, perhaps with `*.` in front")
]
PreciseHostname = Annotated[Text, form(DOMAIN, "a host name in lower case, without wildcard")]
SectionName = Annotated[Text, form(DOMAIN, "a name of lower-case letters, digits, - and .")]
Namespace = Annotated[Text, form(_LABEL, "a namespace's name", 63)]
Group = Annotated[Text, form(DOMAIN, "an API group such as apps, or nothing", empty=True)]
Kind = Annotated[Text, form("[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?", "a kind such as Service", 63)]
HeaderName = Annotated[
    Text, form(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+", "a name without spaces, colons or `=`", 256)
]
HeaderValue = Annotated[Text, form(r"[!-~]+([\t ]?[!-~]+)*", "a value of visible characters", 4096)]
ControllerName = Annotated[
    Text,
    form(
        rf"{DOMAIN}/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", "a name such as istio.io/gateway-controller"
    ),
]
Protocol = Annotated[
    Text,
    form(
        rf"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?|{DOMAIN}/[A-Za-z0-9]+",
        "a protocol such as HTTP, HTTPS, TLS or TCP",
        255,
    ),
]
GatewayDuration = Annotated[
    Text,
    form(r"([0-9]{1,5}(h|m|s|ms)){1,4}", "a duration in h, m, s or ms, such as 1m30s or 500ms"),
]
"""As written; `nanoseconds` reads it."""
PortNumber = Annotated[int, Strict(), Field(ge=1, le=65535)]
Weight = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
Count = Annotated[int, Strict(), Field(ge=1, lt=1 << 31)]
Amount = Annotated[int, Strict(), Field(ge=0, lt=1 << 31)]


class ParentReference(Spec):
    """What a route is attached to: a Gateway, a ListenerSet, or (in the mesh) a Service."""

    group: Group = GROUP
    kind: Kind = "Gateway"
    namespace: Namespace | None = None
    name: Name
    section_name: SectionName | None = None
    port: PortNumber | None = None


class BackendObjectReference(Spec):
    """Where requests go."""

    group: Group = ""
    kind: Kind = "Service"
    name: Name
    namespace: Namespace | None = None
    port: PortNumber | None = None


class BackendRef(BackendObjectReference):
    """One of a rule's destinations, with its share."""

    weight: Weight = 1


class LocalObjectReference(Spec):
    """Something in the same namespace."""

    group: Group
    kind: Kind
    name: Name


class ObjectReference(LocalObjectReference):
    """Something, perhaps in another namespace."""

    namespace: Namespace | None = None


class SecretObjectReference(Spec):
    """A certificate."""

    group: Group = ""
    kind: Kind = "Secret"
    name: Name
    namespace: Namespace | None = None


class CookieConfig(Spec):
    """The cookie of a session."""

    name: HeaderName | None = None
    lifetime_type: Literal["Permanent", "Session"] = "Session"
    path: Annotated[Text, Field(max_length=1024)] = "/"


class HeaderConfig(Spec):
    """The header of a session."""

    name: HeaderName


class SessionPersistence(Spec):
    """How a client's requests keep going to one endpoint."""

    absolute_timeout: GatewayDuration | None = None
    type: Literal["Cookie", "Header"] = "Cookie"
    cookie: CookieConfig | None = None
    header: HeaderConfig | None = None


class LabelSelectorRequirement(Spec):
    """A condition on one label."""

    key: Text
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[Text, ...] = ()


class LabelSelector(Spec):
    """Conditions on labels, all of which must hold."""

    match_labels: dict[str, Text] = Field(default_factory=dict)
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
