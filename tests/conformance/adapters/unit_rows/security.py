"""Rows about policies: how values become matchers, which mutual TLS holds, what tokens claim."""

from __future__ import annotations

import re
from typing import Any

from simulator.config.istio import RequestAuthentication
from simulator.config.istio.request_authentication import JWTRule
from simulator.config.load import load_texts
from simulator.envoy_api import format as as_json
from simulator.envoy_api import message, parse
from simulator.istiod.authn import tokens
from simulator.istiod.authn.peers import peer_modes
from simulator.istiod.authz import matchers
from simulator.istiod.registry import Mesh

Row = dict[str, Any]
_STRING = "envoy.type.matcher.v3.StringMatcher"
_MODES = {"DISABLE": 1, "PERMISSIVE": 2, "STRICT": 3}
"""Upstream's numbers of them."""


def _string(row: Row) -> tuple[object, object]:
    written = matchers.string(row["v"], row.get("prefix", ""))
    return as_json(message(_STRING)(**written)), as_json(parse(row["want"], _STRING))


def _regex(row: Row) -> tuple[object, object]:
    return as_json(message(_STRING)(**matchers.regex(row["str"]))), _wanted(row)


def _prefix(row: Row) -> tuple[object, object]:
    return _any_case(matchers.string(f"{row['str']}*"), row), _wanted(row)


def _suffix(row: Row) -> tuple[object, object]:
    return _any_case(matchers.string(f"*{row['str']}"), row), _wanted(row)


def _exact(row: Row) -> tuple[object, object]:
    return _any_case(matchers.string(row["str"]), row), _wanted(row)


def _any_case(written: Row, row: Row) -> object:
    return as_json(message(_STRING)(**written, ignore_case=row.get("ignoreCase", False)))


def _wanted(row: Row) -> object:
    return as_json(parse(row["want"], _STRING))


def _matching(row: Row) -> tuple[object, object]:
    written = matchers.string(row["v"], row.get("prefix", ""))
    pattern = written["safe_regex"]["regex"]
    found = [re.fullmatch(pattern, row[name]) is not None for name in ("match", "noMatch")]
    return found, [True, False]


def _template(row: Row) -> tuple[object, object]:
    value = str(row.get("path", row.get("in", row.get("value", ""))))
    written = matchers.path(value)["uri_template"]["typed_config"]
    config = message("envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig")()
    config.ParseFromString(written.value)
    want = row.get("want", row.get("expected"))
    return config.path_template, want["pathTemplate"] if isinstance(want, dict) else want


def _split(row: Row) -> tuple[object, object]:
    rule = JWTRule.model_validate({"issuer": "a", "space_delimited_claims": row.get("input") or ()})
    provider = tokens.config([rule])["providers"]["origins-0"]
    got = provider["normalize_payload_in_metadata"]["space_delimited_claims"]
    return got, row["expected"]


def _no_tokens(row: Row) -> tuple[object, object]:
    rules = [
        rule
        for each in row["in"]
        for rule in RequestAuthentication.model_validate(each["spec"]).jwt_rules
    ]
    return bool(rules), "expected" in row


def _no_rules(row: Row) -> tuple[object, object]:
    return bool(row["in"]), "expected" in row


def _composed(row: Row) -> tuple[object, object]:
    assert not row["configs"], "modes are written down as symbols"
    modes = peer_modes(Mesh.of(load_texts([])), "default", {})
    return {"mode": _MODES[modes.mode]}, row["want"]


CHECKS = {
    "TestStringMatcherWithPrefix": _string,
    "TestStringMatcherRegex": _regex,
    "TestStringMatcherPrefix": _prefix,
    "TestStringMatcherSuffix": _suffix,
    "TestStringMatcherExact": _exact,
    "TestStringMatcherRegex_Match": _matching,
    "TestPathTemplateMatcher": _template,
    "TestBuildSpaceDelimitedClaims": _split,
    "TestJwtFilter": _no_tokens,
    "TestConvertToEnvoyJwtConfig": _no_rules,
    "TestComposePeerAuthentication": _composed,
}
