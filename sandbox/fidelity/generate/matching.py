"""Invent what routes, filters and policies ask of a request."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.case import Json, flag, fraction

NAMES = ("x-a", "x-b", "x-c")
VALUES = ("", "1", "7", "10", "-3", "one", "One", "one,two", "a b", "x" * 40)
PATHS = ("/", "/a", "/a/b", "/a/b/c", "/ab", "/A/b", "/a//b", "/b", "/a/1", "/a/b;v=1")
TEMPLATES = ("/a/{x}", "/{x}/{y}", "/a/*", "/{x=a/*}", "/**")
METADATA = "test"
"""The namespace in which the set_metadata filter writes, and matchers look."""
STATE = "test.state"
"""The key under which the set_filter_state filter writes."""
_REGEXES = ("/a/[0-9]+", "/.*", "/(a|b)(/.*)?", "/a/?b?", "[a-z/]+")
_OLD_WAYS = ("exact_match", "prefix_match", "suffix_match", "contains_match", "safe_regex_match")
_TEMPLATE = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def route_match(chance: Random, *, easy: bool = False) -> Json:
    """Return a RouteMatch; one that is easy to meet, most of the time, if so wished."""
    if easy and chance.random() < 0.7:
        return {"prefix": "/"}
    match = path_match(chance)
    if chance.random() < 0.2:
        match["case_sensitive"] = chance.random() < 0.5
    if chance.random() < 0.35:
        match["headers"] = [header(chance) for _ in range(chance.randint(1, 2))]
    if chance.random() < 0.3:
        match["query_parameters"] = [query(chance)]
    if chance.random() < 0.2:
        match["cookies"] = [
            {"name": chance.choice("uv"), "string_match": text(chance),
             **flag(chance, "invert_match", 0.4)}
        ]  # fmt: skip
    if chance.random() < 0.06:
        match["grpc"] = {}
    if chance.random() < 0.08:
        match["runtime_fraction"] = fraction(chance)
    if chance.random() < 0.04:
        match["tls_context"] = {chance.choice(("presented", "validated")): chance.random() < 0.5}
    if chance.random() < 0.05:
        match["dynamic_metadata"] = [metadata(chance)]
    if chance.random() < 0.05:
        match["filter_state"] = [filter_state(chance)]
    return match


def path_match(chance: Random) -> Json:
    """Return the path specifier of a RouteMatch."""
    kinds = ("prefix", "path", "path_separated_prefix", "safe_regex", "path_match_policy",
             "connect_matcher")  # fmt: skip
    kind = chance.choices(kinds, (40, 30, 20, 20, 12, 2))[0]
    match kind:
        case "safe_regex":
            return {kind: {"regex": chance.choice(_REGEXES)}}
        case "path_separated_prefix":
            return {kind: chance.choice(("/a", "/a/b", "/b", "/A"))}
        case "path_match_policy":
            return {kind: template(chance)}
        case "connect_matcher":
            return {kind: {}}
    return {kind: chance.choice(PATHS)}


def template(chance: Random) -> Json:
    """Return a matcher of paths by a template."""
    config = {
        "@type": f"type.googleapis.com/{_TEMPLATE}",
        "path_template": chance.choice(TEMPLATES),
    }
    return {"name": "envoy.path.match.uri_template.uri_template_matcher", "typed_config": config}


def header(chance: Random) -> Json:
    """Return a HeaderMatcher."""
    matcher: Json = {"name": chance.choice((*NAMES, ":method", ":path", ":authority"))}
    kinds = ("string_match", "present_match", "range_match", "old", "")
    kind = chance.choices(kinds, (5, 2, 2, 2, 1))[0]
    if kind == "string_match":
        matcher[kind] = text(chance)
    elif kind == "present_match":
        matcher[kind] = chance.random() < 0.7
    elif kind == "range_match":
        matcher[kind] = {"start": chance.choice((-5, 1, 7)), "end": chance.choice((7, 10, 11))}
    elif kind:
        way = chance.choice(_OLD_WAYS)
        value = chance.choice(VALUES[1:-1])
        matcher[way] = {"regex": ".*" + value} if way == "safe_regex_match" else value
    matcher |= flag(chance, "invert_match", 0.3)
    return matcher | flag(chance, "treat_missing_header_as_empty", 0.2)


def query(chance: Random) -> Json:
    """Return a QueryParameterMatcher."""
    parameter: Json = {"name": chance.choice("pq")}
    kind = chance.choices(("string_match", "present_match", ""), (7, 2, 1))[0]
    if kind == "string_match":
        parameter[kind] = text(chance)
    elif kind:
        parameter[kind] = chance.random() < 0.7
    return parameter


def text(chance: Random) -> Json:
    """Return a StringMatcher."""
    kind = chance.choice(("exact", "prefix", "suffix", "contains", "safe_regex"))
    if kind == "safe_regex":
        return {kind: {"regex": chance.choice(("[0-9]+", "o.*", ".*e", "one|1", ".+"))}}
    return {kind: chance.choice(VALUES[1:-1])} | flag(chance, "ignore_case", 0.3)


def path_text(chance: Random) -> Json:
    """Return a StringMatcher for paths."""
    kind = chance.choice(("exact", "prefix", "suffix", "contains"))
    return {kind: chance.choice(PATHS)} | flag(chance, "ignore_case", 0.2)


def metadata(chance: Random) -> Json:
    """Return a MetadataMatcher."""
    value: Json = chance.choice(
        (
            {"string_match": {"exact": "v"}},
            {"double_match": {"exact": 7}},
            {"double_match": {"range": {"start": 1, "end": 7}}},
            {"bool_match": True},
            {"present_match": True},
            {"null_match": {}},
            {"list_match": {"one_of": {"string_match": {"prefix": "o"}}}},
            {
                "or_match": {
                    "value_matchers": [{"bool_match": False}, {"string_match": text(chance)}]
                }
            },
        )
    )
    matcher: Json = {"filter": METADATA, "path": [{"key": chance.choice("abl")}], "value": value}
    return matcher | flag(chance, "invert", 0.3)


def filter_state(chance: Random) -> Json:
    """Return a FilterStateMatcher."""
    return {"key": STATE, "string_match": text(chance)}
