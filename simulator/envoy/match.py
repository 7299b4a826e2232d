"""What a route asks of a request: one small matcher per kind of condition.

Every condition says whether it holds (`holds`) and, when asked, why it does not
(`why`), from the same data; `field` is where it stands below its route.

Models    envoy.config.route.v3.{RouteMatch, HeaderMatcher, QueryParameterMatcher}
Follows   envoy/source/common/http/header_utility.cc, source/common/common/matchers.cc,
          source/common/router/config_utility.cc
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

import re2

from simulator.envoy.grpc import is_grpc
from simulator.envoy.request import Request, StreamInfo

_INTEGER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*")


def integer(text: str) -> int | None:
    """Return the whole number that `text` spells for Envoy, or None."""
    return int(text) if _INTEGER.fullmatch(text) else None


class BadRegexError(ValueError):
    """A regular expression that RE2 refuses."""


@cache
def compiled(pattern: str) -> Any:  # noqa: ANN401 - the binding has no types
    """Return a compiled RE2 expression.

    Raises BadRegexError with RE2's reason.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        raise BadRegexError(
            reason.decode() if isinstance(reason, bytes) else str(reason)
        ) from error


_PARAMETERS = re.compile(r";[^/]*")


class Subject:
    """One request while its route is looked for; what is parsed is parsed once, when asked."""

    __slots__ = ("_cookies", "_query", "info", "path", "random", "request")

    def __init__(
        self, request: Request, random: int, info: StreamInfo, *, strip_parameters: bool = False
    ) -> None:
        self.request = request
        self.random = random
        self.info = info
        self.path = without_query(request.path)
        if strip_parameters:
            # `;` and what follows in a segment are parameters, which the table leaves out.
            self.path = _PARAMETERS.sub("", self.path)
        self._query: dict[str, str] | None = None
        self._cookies: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """The first value of each query parameter, not decoded."""
        if self._query is None:
            self._query = query_parameters(self.request.path)
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """The first value of each cookie."""
        if self._cookies is None:
            self._cookies = cookies(self.request)
        return self._cookies


def without_query(path: str) -> str:
    """Return a path up to its query string or fragment."""
    for at, character in enumerate(path):
        if character in "?#":
            return path[:at]
    return path


def query_parameters(path: str) -> dict[str, str]:
    """Return the first value of each parameter of a path's query string, as it stands."""
    found: dict[str, str] = {}
    _, _, query = path.partition("?")
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        found.setdefault(name, value)
    return found


def cookies(request: Request) -> dict[str, str]:
    """Return a request's cookies, the first of each name."""
    found: dict[str, str] = {}
    for line in request.values("cookie"):
        for part in line.split(";"):
            name, equals, value = part.strip().partition("=")
            if equals:
                if len(value) >= 2 and value[0] == value[-1] == '"':
                    value = value[1:-1]
                found.setdefault(name, value)
    return found


class Condition(Protocol):
    """One thing that a route asks of a request."""

    @property
    def field(self) -> str:
        """Where it stands below its route, such as `match.headers[0]`."""
        ...

    def holds(self, subject: Subject) -> bool:
        """Say whether the request is as asked."""
        ...

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        ...


class StringKind(StrEnum):
    """The ways a string is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "regex"


_RELATION = {
    StringKind.EXACT: "is not",
    StringKind.PREFIX: "does not start with",
    StringKind.SUFFIX: "does not end with",
    StringKind.CONTAINS: "does not contain",
    StringKind.REGEX: "does not match, as a whole, the regular expression",
}


@dataclass(frozen=True, slots=True)
class StringMatcher:
    """envoy.type.matcher.v3.StringMatcher."""

    kind: StringKind
    value: str
    """Lower-case where case is ignored."""
    ignore_case: bool = False

    def matches(self, text: str) -> bool:
        """Say whether `text` is as asked."""
        if self.ignore_case:
            text = text.lower()
        match self.kind:
            case StringKind.EXACT:
                return text == self.value
            case StringKind.PREFIX:
                return text.startswith(self.value)
            case StringKind.SUFFIX:
                return text.endswith(self.value)
            case StringKind.CONTAINS:
                return self.value in text
            case StringKind.REGEX:
                return compiled(self.value).fullmatch(text) is not None

    def relation(self) -> str:
        """Return how a text that does not match relates to the value, such as `is not "x"`."""
        case = " (case ignored)" if self.ignore_case else ""
        return f'{_RELATION[self.kind]} "{self.value}"{case}'

    def demand(self) -> str:
        """Return what is asked, such as `exact "x"`."""
        return f'{self.kind} "{self.value}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderMatcher:
    """envoy.config.route.v3.HeaderMatcher; exactly one of `text`, `range` or `present` is set."""

    name: str
    field: str
    text: StringMatcher | None = None
    range: tuple[int, int] | None = None
    """`[start, end)`"""
    present: bool | None = None
    invert: bool = False
    missing_is_empty: bool = False

    def holds(self, subject: Subject) -> bool:
        """Say whether the request is as asked."""
        return self.matches(subject.request.values(self.name))

    def matches(self, values: list[str]) -> bool:
        """Say whether a header with these values, in order, is as asked.

        Each line is looked at by itself (since 1.39); an inverted matcher fails as
        soon as one of them matches.
        """
        if self.present is not None:
            there = bool(values) or self.missing_is_empty
            return (there == self.present) != self.invert
        if not values:
            return self.missing_is_empty and self._one("") != self.invert
        return any(self._one(value) for value in values) != self.invert

    def _one(self, value: str) -> bool:
        if self.text is not None:
            return self.text.matches(value)
        number = integer(value)
        if self.range is None or number is None:
            return False
        return self.range[0] <= number < self.range[1]

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        values = subject.request.values(self.name)
        if self.present is not None:
            wanted_absent = self.present == self.invert
            if wanted_absent:
                return f"the request has a header {self.name}, which must be absent"
            return f"the request has no header {self.name}"
        if not values:
            return (
                f"the request has no header {self.name}"
                if not self.missing_is_empty
                else f"the header {self.name} is missing, counts as empty and {self._relation()}"
            )
        shown = " and ".join(f'"{value}"' for value in values)
        return f"the header {self.name} is {shown}, which {self._relation()}"

    def _relation(self) -> str:
        if self.text is not None:
            if self.invert:
                return f"must not be {self.text.demand()} (invert_match)"
            return self.text.relation()
        start, end = self.range or (0, 0)
        inside = f"in the range [{start}, {end})"
        return f"must not be {inside} (invert_match)" if self.invert else f"is not {inside}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryMatcher:
    """envoy.config.route.v3.QueryParameterMatcher."""

    name: str
    field: str
    text: StringMatcher | None = None
    present: bool = True
    """Without `text`: whether the parameter must be there."""

    def holds(self, subject: Subject) -> bool:
        """Say whether the request is as asked."""
        value = subject.query.get(self.name)
        if self.text is None:
            return (value is not None) == self.present
        return value is not None and self.text.matches(value)

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        value = subject.query.get(self.name)
        if value is None:
            return f"the query has no parameter {self.name}"
        if self.text is None:
            return f"the query has a parameter {self.name}, which must be absent"
        return f'the query parameter {self.name} is "{value}", which {self.text.relation()}'


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieMatcher:
    """envoy.config.route.v3.CookieMatcher."""

    name: str
    field: str
    text: StringMatcher
    invert: bool = False

    def holds(self, subject: Subject) -> bool:
        """Say whether the request is as asked; an absent cookie does not match."""
        value = subject.cookies.get(self.name)
        return (value is not None and self.text.matches(value)) != self.invert

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        value = subject.cookies.get(self.name)
        if value is None:
            return f"the request has no cookie {self.name}"
        if self.invert:
            return f"the cookie {self.name} must not be {self.text.demand()} (invert_match)"
        return f'the cookie {self.name} is "{value}", which {self.text.relation()}'


@dataclass(frozen=True, slots=True, kw_only=True)
class FractionMatcher:
    """envoy.config.core.v3.RuntimeFractionalPercent, on the stream's one random value."""

    numerator: int
    denominator: int
    runtime_key: str
    field: str

    def holds(self, subject: Subject) -> bool:
        """Say whether the stream's random value falls into the fraction."""
        override = subject.info.runtime.get(self.runtime_key) if self.runtime_key else None
        if override is not None:
            return subject.random % 100 < override
        return subject.random % self.denominator < self.numerator

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        return (
            f"the stream's random value fell outside {self.numerator} of {self.denominator} "
            f"({subject.random} % {self.denominator} = {subject.random % self.denominator})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcMatcher:
    """RouteMatch.grpc: the content type must be gRPC's."""

    field: str

    def holds(self, subject: Subject) -> bool:
        """Say whether the request is gRPC."""
        return is_grpc(subject.request)

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        given = subject.request.first("content-type")
        return f"the route is for gRPC alone, and the content type is {given or 'absent'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMatcher:
    """RouteMatch.tls_context; None asks nothing."""

    field: str
    presented: bool | None
    validated: bool | None

    def holds(self, subject: Subject) -> bool:
        """Say whether the client's certificate is as asked."""
        info = subject.info
        return (self.presented is None or self.presented == info.tls_presented) and (
            self.validated is None or self.validated == info.tls_validated
        )

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        if self.presented is not None and self.presented != subject.info.tls_presented:
            return (
                f"the client {'did not present' if self.presented else 'presented'} a certificate"
            )
        return f"the client's certificate was {'not ' if self.validated else ''}verified"


class PathKind(StrEnum):
    """The ways a path is compared, in Envoy's words."""

    PREFIX = "prefix"
    PATH = "path"
    REGEX = "safe_regex"
    SEPARATED_PREFIX = "path_separated_prefix"
    TEMPLATE = "path_match_policy"
    CONNECT = "connect_matcher"


_PATH_RELATION = {
    PathKind.PREFIX: "does not start with",
    PathKind.PATH: "is not",
    PathKind.REGEX: "does not match, as a whole, the regular expression",
    PathKind.SEPARATED_PREFIX: "is neither that path nor below it:",
    PathKind.TEMPLATE: "does not fit the template",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMatcher:
    """How a route matches the path, query and fragment left out."""

    kind: PathKind
    value: str
    """As configured; lower-case where case is ignored."""
    field: str
    ignore_case: bool = False
    regex: str = ""
    """What a template is compiled to."""

    def holds(self, subject: Subject) -> bool:
        """Say whether the path is as asked."""
        if self.kind is PathKind.CONNECT:
            return subject.request.method == "CONNECT"
        if not subject.request.path:
            return False
        return self.matches(subject.path)

    def matches(self, path: str) -> bool:
        """Say whether a path without its query string is as asked."""
        if self.ignore_case:
            path = path.lower()
        match self.kind:
            case PathKind.PREFIX:
                return path.startswith(self.value)
            case PathKind.PATH:
                return path == self.value
            case PathKind.SEPARATED_PREFIX:
                end = len(self.value)
                return path.startswith(self.value) and (len(path) == end or path[end] == "/")
            case PathKind.REGEX | PathKind.TEMPLATE:
                return compiled(self.regex).fullmatch(path) is not None
            case PathKind.CONNECT:
                return False

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        if self.kind is PathKind.CONNECT:
            return f"the route is for CONNECT alone, and the method is {subject.request.method}"
        if not subject.request.path:
            return "the request has no path, and only a CONNECT matcher takes such requests"
        case = " (case ignored)" if self.ignore_case else ""
        return f'the path "{subject.path}" {_PATH_RELATION[self.kind]} "{self.value}"{case}'
