"""Write the conditions of a rule, attribute by attribute, as RBAC permissions and principals.

Models    envoy.config.rbac.v3.{Permission,Principal}
Follows   istio pilot/pkg/security/authz/model/{generator,permission,principal,util}.go
Leaves    the principals of waypoints, which come from filter state
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulator.istiod.authz import matchers
from simulator.istiod.authz.matchers import ANYTHING, Message, string

_SPIFFE = "spiffe://"
_LARGEST_PORT = 65535


class UnusableError(ValueError):
    """The condition cannot be written for the proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a condition is written for."""

    key: str
    namespace: str
    """Of the policy."""


Write = Callable[[Context, Sequence[str]], list[Message]]
"""Returns the alternatives for some values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """How an attribute is matched: by permissions (what is asked) or principals (who asks)."""

    write: Write
    permission: bool = False
    http_only: bool = False
    whole: bool = False
    """One matcher stands for all values, which is not nested into an `or` of its own."""


def _each(one: Callable[[Context, str], Message]) -> Write:
    return lambda context, values: [one(context, each) for each in values]


def _port(_: Context, value: str) -> Message:
    if not value.isdecimal() or int(value) > _LARGEST_PORT:
        message = f"{value} is no port"
        raise UnusableError(message)
    return {"destination_port": int(value)}


def _range(value: str) -> Message:
    try:
        return matchers.cidr(value)
    except ValueError as error:
        raise UnusableError(str(error)) from error


def _authenticated(name: Message) -> Message:
    return {"authenticated": {"principal_name": name}}


def _namespace(_: Context, value: str) -> Message:
    pattern = matchers.quote(value).replace(r"\*", ".*")
    return _authenticated(matchers.regex(f".*/ns/{pattern}/.*"))


def service_account_regex(namespace: str, value: str) -> str:
    """Return the pattern for [NAMESPACE/]ACCOUNT; a policy's own namespace is the default."""
    home, slash, account = value.partition("/")
    if not slash:
        home, account = namespace, value
    return f"{_SPIFFE}.+/ns/{matchers.quote(home)}/(.+/|)sa/{matchers.quote(account)}(/.+)?"


def _service_account(context: Context, value: str) -> Message:
    pattern = service_account_regex(context.namespace, value)
    return _authenticated(matchers.regex(pattern))


def _trust_domain(_: Context, value: str) -> Message:
    if "*" not in value:
        return _authenticated({"prefix": f"{_SPIFFE}{value}/"})
    pattern = matchers.quote(value).replace(r"\*", "[^/]*")
    return _authenticated(matchers.regex(f"{_SPIFFE}{pattern}/.*"))


def request_principal(value: str) -> Message:
    """Return the principal of a token, ISSUER/SUBJECT; the issuer may hold slashes."""
    issuer, slash, subject = value.rpartition("/")
    if not slash:
        issuer, subject = value, ""
    if value == "*":
        wanted = ANYTHING, ANYTHING
    elif value.startswith("*"):
        wanted = (string(issuer), {"exact": subject}) if slash else (ANYTHING, string(value))
    elif value.endswith("*"):
        wanted = ({"exact": issuer}, string(subject)) if slash else (string(value), ANYTHING)
    else:
        wanted = {"exact": issuer}, {"exact": subject}
    claims = zip(("iss", "sub"), wanted, strict=True)
    ids = [{"metadata": matchers.claim(name, match)} for name, match in claims]
    return {"and_ids": {"ids": ids}}


def _request_principals(_: Context, values: Sequence[str]) -> list[Message]:
    found = [request_principal(each) for each in values]
    return found if len(found) == 1 else [{"or_ids": {"ids": found}}]


def _claim(*keys: str) -> Write:
    return lambda _, values: [{"metadata": matchers.claims(keys, values)}]


def _claims(context: Context, values: Sequence[str]) -> list[Message]:
    keys = _nested(context.key.removeprefix("request.auth.claims"))
    return [{"metadata": matchers.claims(keys, values)}]


def _nested(text: str) -> list[str]:
    """Return the names in `[a][b]`; what does not nest so is one name."""
    name = _bracketed(text)
    names = name.split("][")
    return names if not any(sign in each for each in names for sign in "[]") else [name]


def _bracketed(text: str) -> str:
    if not (text.startswith("[") and text.endswith("]")):
        message = f"{text} does not name anything in brackets"
        raise UnusableError(message)
    return text[1:-1]


def _header(context: Context, value: str) -> Message:
    name = _bracketed(context.key.removeprefix("request.headers"))
    return {"header": matchers.header(name, value)}


def _joined_header(context: Context, value: str) -> Message:
    name = _bracketed(context.key.removeprefix("request.experimental.inline.headers"))
    return {"header": matchers.joined_header(name, value)}


def _filter_metadata(context: Context, values: Sequence[str]) -> list[Message]:
    filter_, bracket, key = (
        context.key.removeprefix("experimental.").removesuffix("]").partition("[")
    )
    if not bracket:
        message = f"{context.key} names no value in brackets"
        raise UnusableError(message)
    found: list[Message] = []
    for value in values:
        inner = {"string_match": string(value.strip("[]"))}
        listed = value.startswith("[") and value.endswith("]")
        found.append(matchers.in_list(inner) if listed else {"string_match": string(value)})
    return [{"metadata": matchers.metadata(filter_, [key], matchers.any_of(found))}]


ATTRIBUTES = {
    "destination.ip": Attribute(
        write=_each(lambda _, value: {"destination_ip": _range(value)}), permission=True
    ),
    "destination.port": Attribute(write=_each(_port), permission=True),
    "connection.sni": Attribute(
        write=_each(lambda _, value: {"requested_server_name": string(value)}), permission=True
    ),
    "host": Attribute(
        write=_each(lambda _, value: {"header": matchers.host(value)}),
        permission=True,
        http_only=True,
    ),
    "method": Attribute(
        write=_each(lambda _, value: {"header": matchers.header(":method", value)}),
        permission=True,
        http_only=True,
    ),
    "path": Attribute(
        write=_each(lambda _, value: matchers.path(value)), permission=True, http_only=True
    ),
    "source.ip": Attribute(write=_each(lambda _, value: {"direct_remote_ip": _range(value)})),
    "remote.ip": Attribute(write=_each(lambda _, value: {"remote_ip": _range(value)})),
    "source.namespace": Attribute(write=_each(_namespace)),
    "source.serviceAccount": Attribute(write=_each(_service_account)),
    "source.trustDomain": Attribute(write=_each(_trust_domain)),
    "source.principal": Attribute(
        write=_each(lambda _, value: _authenticated(string(value, _SPIFFE)))
    ),
    "request.auth.principal": Attribute(write=_request_principals, http_only=True, whole=True),
    "request.auth.audiences": Attribute(write=_claim("aud"), http_only=True, whole=True),
    "request.auth.presenter": Attribute(write=_claim("azp"), http_only=True, whole=True),
}
"""By name; `host`, `method` and `path` are an operation's, the others also `when` keys."""

_PREFIXED = {
    "experimental.envoy.filters.": Attribute(write=_filter_metadata, permission=True, whole=True),
    "request.headers": Attribute(write=_each(_header), http_only=True),
    "request.experimental.inline.headers": Attribute(write=_each(_joined_header), http_only=True),
    "request.auth.claims": Attribute(write=_claims, http_only=True, whole=True),
}
_OPERATIONS = frozenset({"host", "method", "path"})


def attribute_of(key: str) -> Attribute | None:
    """Return the attribute that a `when` key names; None for an unknown one."""
    if key in ATTRIBUTES and key not in _OPERATIONS:
        return ATTRIBUTES[key]
    return next((each for prefix, each in _PREFIXED.items() if key.startswith(prefix)), None)
