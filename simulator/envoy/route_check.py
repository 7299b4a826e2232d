"""Check a route table against expectations, as Envoy's route table check tool does.

`check(routes, tests)` takes both files as plain values and gives a `Report`; its
`lines()` are what the tool prints.

Models    envoy.RouterCheckToolSchema.Validation
Follows   envoy/test/tools/router_check/router.cc
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from simulator.envoy.compile import compile_route_table
from simulator.envoy.compile.matchers import header_matcher
from simulator.envoy.header_map import Headers
from simulator.envoy.headers import (
    finalize_request,
    finalize_response,
    location,
    respond,
    virtual_cluster,
)
from simulator.envoy.match import HeaderMatcher
from simulator.envoy.rejected import Scope
from simulator.envoy.request import Request, StreamInfo
from simulator.envoy.route import Action, NoRoute, RouteMatch, RouteTable, find
from simulator.envoy_api import SchemaError, parse

_INPUT = frozenset(
    {
        "authority",
        "path",
        "method",
        "random_value",
        "ssl",
        "internal",
        "additional_request_headers",
        "additional_response_headers",
        "runtime",
        "dynamic_metadata",
    }
)
_TEXTS = (
    "cluster_name",
    "virtual_cluster_name",
    "virtual_host_name",
    "path_rewrite",
    "host_rewrite",
    "path_redirect",
)
_VALIDATE = frozenset(
    {*_TEXTS, "code_redirect", "timeout", "request_header_matches", "response_header_matches"}
)
_TEST = frozenset({"test_name", "input", "validate"})


class BadTestsError(ValueError):
    """A test file that does not have the tool's form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test of the file."""

    name: str
    failures: tuple[str, ...]
    """`expected: […], actual: […], test type: …`, each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a test file."""

    results: tuple[Result, ...]
    coverage_pct: float
    """How many of the routes some passed expectation speaks of."""

    @property
    def ok(self) -> bool:
        """Say whether every test passed; the tool's exit code is 0 then and 1 otherwise."""
        return not any(result.failures for result in self.results)

    def lines(self, *, details: bool = False, only_failures: bool = False) -> Iterator[str]:
        """Yield what the tool prints."""
        for result in self.results:
            if (details and not only_failures) or (only_failures and result.failures):
                yield result.name
                yield from result.failures
        if self.ok:
            yield f"Current route coverage: {self.coverage_pct:g}%"


class _Switches(Mapping[str, int]):
    """The tool's runtime: a fraction counts only where its key is the one switched on."""

    def __init__(self, active: str) -> None:
        self._active = active

    def __getitem__(self, key: str) -> int:
        if key == self._active:
            raise KeyError(key)
        return 0

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def read_tests(text: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value of a test file; a trailing comma is forgiven, as Envoy forgives it.

    Raises BadTestsError for what is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as strict:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            raise BadTestsError(f"not JSON: {strict}") from strict


def check(routes: Mapping[str, Any], tests: Any) -> Report:  # noqa: ANN401 - JSON
    """Run every test of a test file (`{"tests": […]}`) against a RouteConfiguration.

    Raises BadTestsError, SchemaError or Rejected for files that are not what they should be.
    """
    if not isinstance(tests, Mapping) or not isinstance(tests.get("tests"), list):
        raise BadTestsError('expected {"tests": […]}')
    table = compile_route_table(parse(routes, "envoy.config.route.v3.RouteConfiguration"))
    covered: set[tuple[int, int]] = set()
    results = tuple(_run(table, test, at, covered) for at, test in enumerate(tests["tests"]))
    total = sum(len(host.routes) for host in table.virtual_hosts)
    share = 100.0 * len(covered) / total if total else 0.0
    return Report(results=results, coverage_pct=share)


def _run(table: RouteTable, test: Any, at: int, covered: set[tuple[int, int]]) -> Result:  # noqa: ANN401
    where = f"tests[{at}]"
    _only(test, _TEST, where)
    given = test.get("input", {})
    wanted = test.get("validate", {})
    _only(given, _INPUT, f"{where}.input")
    _only(wanted, _VALIDATE, f"{where}.validate")
    asked = _Asked.of(table, given)
    failures = [
        f"expected: [{expected}], actual: [{actual}], test type: {kind}"
        for kind, expected, actual in asked.differences(wanted, where)
    ]
    if isinstance(asked.match, RouteMatch) and len(failures) < len(wanted):
        covered.add((asked.match.virtual_host.index, asked.match.route.index))
    return Result(name=test.get("test_name", ""), failures=tuple(failures))


def _only(value: Any, names: frozenset[str], where: str) -> None:  # noqa: ANN401 - JSON
    if not isinstance(value, Mapping):
        raise BadTestsError(f"{where}: expected an object")
    for name in value:
        if name not in names:
            raise BadTestsError(f"{where}.{name}: the tool knows no such field")


def _headers(items: Any) -> Headers:  # noqa: ANN401 - JSON
    return tuple((str(item["key"]).lower(), str(item.get("value", ""))) for item in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One request of a test, and the route it found."""

    request: Request
    response: Headers
    info: StreamInfo
    match: RouteMatch | NoRoute

    @classmethod
    def of(cls, table: RouteTable, given: Mapping[str, Any]) -> _Asked:
        scheme = "https" if given.get("ssl") else "http"
        own: Headers = (("x-forwarded-proto", scheme),)
        if given.get("internal"):
            own += (("x-envoy-internal", "true"),)
        extra = _headers(given.get("additional_request_headers", ()))
        pseudo = {name: value for name, value in extra if name.startswith(":")}
        request = Request(
            method=str(given.get("method", "GET")),
            authority=str(given.get("authority", "")),
            path=str(given.get("path", "")),
            scheme=pseudo.get(":scheme", scheme),
            headers=own + tuple(pair for pair in extra if not pair[0].startswith(":")),
        )
        info = StreamInfo(
            metadata={
                one["metadata_namespace"]: one["value"] for one in given.get("dynamic_metadata", ())
            },
            runtime=_Switches(str(given.get("runtime", ""))),
            source_address="127.0.0.1",
        )
        random = int(given.get("random_value", 0))
        return cls(
            request=request,
            response=_headers(given.get("additional_response_headers", ())),
            info=info,
            match=find(table, request, random, info=info),
        )

    def differences(
        self, wanted: Mapping[str, Any], where: str
    ) -> Iterator[tuple[str, object, object]]:
        """Yield each expectation that does not hold: its kind, what was expected, what came."""
        for kind in _TEXTS:
            if kind in wanted and (actual := self.text(kind)) != wanted[kind]:
                yield kind, wanted[kind], actual
        if "code_redirect" in wanted and (code := self.code()) != wanted["code_redirect"]:
            yield "code_redirect", wanted["code_redirect"], code
        if "timeout" in wanted:
            expected_ns = _nanoseconds(wanted["timeout"])
            actual_ns = self.forwarding.route.timeout_ns if self.forwarding else 0
            if actual_ns != expected_ns:
                yield "timeout", wanted["timeout"], f"{actual_ns / 1e9:g}s"
        for kind, headers in (
            ("request_header_matches", self.finalized),
            ("response_header_matches", self.response_headers),
        ):
            for at, one in enumerate(wanted.get(kind, ())):
                matcher = _matcher(one, f"{where}.validate.{kind}[{at}]")
                values = [value for name, value in headers() if name == matcher.name]
                if not matcher.matches(values):
                    yield kind, json.dumps(one), ",".join(values)

    @property
    def forwarding(self) -> RouteMatch | None:
        """The route, where it forwards."""
        match = self.match
        if isinstance(match, NoRoute) or match.route.action is not Action.ROUTE:
            return None
        return match

    @property
    def answering(self) -> RouteMatch | None:
        """The route, where it answers itself."""
        return None if isinstance(self.match, NoRoute) or self.forwarding else self.match

    def text(self, kind: str) -> str:
        """Return what came of one kind of expectation; empty where there is nothing."""
        if kind == "path_redirect":
            return location(self.answering, self.request) if self.answering else ""
        match = self.forwarding
        if match is None:
            return ""
        match kind:
            case "cluster_name":
                return match.cluster or ""
            case "virtual_cluster_name":
                # What fits nowhere is counted, too.
                rest = "other" if match.virtual_host.virtual_clusters else ""
                return virtual_cluster(match, self.request) or rest
            case "virtual_host_name":
                return match.virtual_host.name
        upstream = finalize_request(match, self.request, info=self.info)
        return upstream.path if kind == "path_rewrite" else upstream.authority

    def code(self) -> int:
        """Return the status of a route that answers itself, or 0."""
        return respond(self.answering, self.request).status if self.answering else 0

    def finalized(self) -> Headers:
        """Return the request's headers as they go upstream."""
        if self.forwarding is None:
            return self.request.headers
        upstream = finalize_request(self.forwarding, self.request, info=self.info)
        pseudo = ((":path", upstream.path), (":authority", upstream.authority))
        return (*pseudo, (":method", upstream.method), *upstream.headers)

    def response_headers(self) -> Headers:
        """Return the response's headers as they go back."""
        if self.answering is not None:
            reply = respond(self.answering, self.request, info=self.info)
            return reply.response(self.request).headers
        if self.forwarding is None:
            return self.response
        return finalize_response(
            self.forwarding, self.response, request=self.request, info=self.info
        )


def _nanoseconds(text: Any) -> int:  # noqa: ANN401 - JSON
    try:
        return int(Decimal(str(text).removesuffix("s")) * 1_000_000_000)
    except ArithmeticError as error:
        raise BadTestsError(f"{text} is not a duration, such as 30s") from error


def _matcher(value: Any, where: str) -> HeaderMatcher:  # noqa: ANN401 - JSON
    try:
        message = parse(value, "envoy.config.route.v3.HeaderMatcher")
    except SchemaError as error:
        raise BadTestsError(f"{where}: {error}") from error
    return header_matcher(message, Scope("tests", where))
