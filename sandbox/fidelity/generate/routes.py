"""Invent route tables.

A table's domains, prefixes and matchers overlap on purpose.
"""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.case import CLUSTERS, HASHING, REFUSING, Json, flag
from sandbox.fidelity.generate.filters import per_route
from sandbox.fidelity.generate.matching import NAMES, route_match, text
from sandbox.fidelity.generate.mutations import changes
from sandbox.fidelity.generate.retries import hash_policies, retry_policy, time_outs

DOMAINS = (
    "a.test",
    "*.a.test",
    "*.b.a.test",
    "*-a.test",
    "a.*",
    "b.a.*",
    "a.test:81",
    "A.example",
    "[::1]",
    "[::1]:81",
    "a.test.",
    "a_b.test",
    "127.0.0.1",
    "*test",
    "a*",
)
LAST = "x-last"
"""A header that names the last cluster, if it is sent."""
INTERNAL = "x-internal"
"""A header that a table may call internal."""


def table(chance: Random, filters: list[str], *, easy: bool) -> Json:
    """Return a RouteConfiguration; `filters` are the names of those that stand before it."""
    domains = chance.sample(DOMAINS, chance.randint(0 if easy else 1, 1 if easy else 3))
    if easy or chance.random() < 0.8:
        domains.append("*")
    made: Json = {
        "name": "table",
        "virtual_hosts": [
            _host(chance, at, domain, filters, easy=easy) for at, domain in enumerate(domains)
        ],
        "validate_clusters": False,
        **changes(chance, 0.2),
        **per_route(chance, filters, 0.1),
    }
    for field in (
        "ignore_port_in_host_matching",
        "most_specific_header_mutations_wins",
        "ignore_path_parameters_in_path_matching",
    ):
        made |= flag(chance, field, 0.3)
    if chance.random() < 0.3:
        made["internal_only_headers"] = [INTERNAL]
    if chance.random() < 0.1:
        made["vhost_header"] = "x-vhost"
    if chance.random() < 0.1:
        made["max_direct_response_body_size_bytes"] = chance.choice((4, 5000))
    return made


def _host(chance: Random, at: int, domain: str, filters: list[str], *, easy: bool) -> Json:
    host: Json = {
        "name": f"h{at}",
        "domains": [domain],
        **changes(chance, 0.2),
        **per_route(chance, filters, 0.15),
    }
    if chance.random() < 0.06:
        host["matcher"] = _tree(chance, filters)
    else:
        host["routes"] = [
            _route(chance, n, filters, easy=easy) for n in range(chance.randint(1, 4))
        ]
    if chance.random() < 0.1:
        host["require_tls"] = chance.choice(("EXTERNAL_ONLY", "ALL"))
    if chance.random() < 0.1:
        host["retry_policy"] = retry_policy(chance)
    for field in ("include_request_attempt_count", "include_attempt_count_in_response"):
        host |= flag(chance, field, 0.2)
    return host


def _tree(chance: Random, filters: list[str]) -> Json:
    """Return a Matcher that leads to routes."""
    asked = {
        "name": "header",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
            "header_name": chance.choice(NAMES),
        },
    }
    one, two, other = (_leads_to(_route(chance, at, filters)) for at in range(3))
    if chance.random() < 0.5:
        tree: Json = {
            "matcher_tree": {
                "input": asked,
                chance.choice(("exact_match_map", "prefix_match_map")): {
                    "map": {"one": one, "1": two}
                },
            }
        }
    else:
        value = text(chance)
        if "safe_regex" in value:
            # This API's own matcher asks for the engine.
            value["safe_regex"]["google_re2"] = {}
        single = {"single_predicate": {"input": asked, "value_match": value}}
        rule = chance.choice(
            (
                single,
                {"not_matcher": single},
                {"or_matcher": {"predicate": [single, single | {}]}},
                {"and_matcher": {"predicate": [single, {"not_matcher": single}]}},
            )
        )
        tree = {"matcher_list": {"matchers": [{"predicate": rule, "on_match": one}]}}
    return tree | ({"on_no_match": other} if chance.random() < 0.7 else {})


def _leads_to(route: Json) -> Json:
    kind = "type.googleapis.com/envoy.config.route.v3.Route"
    return {"action": {"name": "route", "typed_config": {"@type": kind, **route}}}


def _route(chance: Random, at: int, filters: list[str], *, easy: bool = False) -> Json:
    match = route_match(chance, easy=easy)
    route = {
        "name": f"r{at}",
        "match": match,
        **changes(chance, 0.2),
        **per_route(chance, filters, 0.3),
    }
    kind = chance.choices(("route", "redirect", "direct_response"), (8, 2, 1))[0]
    if kind == "route":
        return {**route, kind: _forward(chance, filters, _template_of(match))}
    return {**route, kind: _redirect(chance) if kind == "redirect" else _direct(chance)}


def _forward(chance: Random, filters: list[str], template: str) -> Json:
    action = _cluster(chance, filters)
    if chance.random() < 0.2:
        codes = ("SERVICE_UNAVAILABLE", "NOT_FOUND", "INTERNAL_SERVER_ERROR")
        action["cluster_not_found_response_code"] = chance.choice(codes)
    action |= _path_rewrite(chance, template) | _host_rewrite(chance)
    if chance.random() < 0.35:
        action["retry_policy"] = retry_policy(chance)
    if chance.random() < 0.1:
        action["priority"] = "HIGH"
    return action | time_outs(chance)


def _cluster(chance: Random, filters: list[str]) -> Json:
    kinds = ("cluster", "weighted_clusters", "cluster_header", "hashing", "refusing")
    kind = chance.choices(kinds, (6, 2, 1, 1.5, 0.5))[0]
    match kind:
        case "cluster":
            return {kind: chance.choices((*CLUSTERS, "gone"), (4, 4, 4, 1))[0]}
        case "cluster_header":
            return {kind: "x-cluster"}
        case "hashing":
            return {"cluster": chance.choice(HASHING), "hash_policy": hash_policies(chance)}
        case "refusing":
            return {"cluster": REFUSING}
    return {kind: _weighted(chance, filters)}


def _path_rewrite(chance: Random, template: str) -> Json:
    if template:
        # A template goes with no prefix, and its own rewrite with no other matcher.
        kinds = ("", "regex_rewrite", "path_rewrite_policy", "path_rewrite")
    else:
        kinds = ("", "prefix_rewrite", "regex_rewrite", "path_rewrite")
    match chance.choices(kinds, (4, 3, 2, 1))[0]:
        case "prefix_rewrite":
            return {"prefix_rewrite": chance.choice(("/", "/new", "/new/"))}
        case "regex_rewrite" if not template or chance.random() < 0.5:
            return {"regex_rewrite": _substitution(chance)}
        case "path_rewrite_policy" | "regex_rewrite":
            return {"path_rewrite_policy": _template_rewrite(chance, template)}
        case "path_rewrite":
            return {"path_rewrite": chance.choice(("/f%REQ(X-A)%", "/%REQ(:METHOD)%?q=1"))}
    return {}


def _template_of(match: Json) -> str:
    """Return the template by which a RouteMatch matches paths; empty if it does not."""
    return str(match.get("path_match_policy", {}).get("typed_config", {}).get("path_template", ""))


def _template_rewrite(chance: Random, template: str) -> Json:
    # A rewrite may speak only of variables that the matcher has.
    texts = ("/new/{x}", "/{x}/new", "/new") if "{x" in template else ("/new",)
    config = {
        "@type": "type.googleapis.com/"
        "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
        "path_template_rewrite": chance.choice(texts),
    }
    return {"name": "envoy.path.rewrite.uri_template.uri_template_rewriter", "typed_config": config}


def _host_rewrite(chance: Random) -> Json:
    kinds = ("", "host_rewrite_literal", "host_rewrite_header", "host_rewrite_path_regex",
             "host_rewrite", "auto_host_rewrite")  # fmt: skip
    kind = chance.choices(kinds, (10, 2, 2, 2, 1, 1))[0]
    action: Json = flag(chance, "append_x_forwarded_host", 0.2)
    match kind:
        case "host_rewrite_literal":
            action[kind] = "new.host"
        case "host_rewrite_header":
            action[kind] = chance.choice(NAMES)
        case "host_rewrite_path_regex":
            action[kind] = {"pattern": {"regex": "^/([a-z]).*$"}, "substitution": "\\1.host"}
        case "host_rewrite":
            action[kind] = "%REQ(X-A)%.host"
        case "auto_host_rewrite":
            action[kind] = True
    return action


def _substitution(chance: Random) -> Json:
    pattern, replacement = chance.choice(
        (("a", "z"), ("^/([^/]*)/(.*)$", "/\\2/\\1"), ("/+", "/"), ("b*", "_"))
    )
    return {"pattern": {"regex": pattern}, "substitution": replacement}


def _weighted(chance: Random, filters: list[str]) -> Json:
    weights = [chance.choice((0, 1, 50, 99, 100)) for _ in range(chance.randint(1, 3))]
    if not sum(weights):
        weights[0] = 1
    entries: list[Json] = []
    for name, weight in zip(CLUSTERS, weights, strict=False):
        entry = {"name": name, "weight": weight, **changes(chance, 0.3)}
        if name == CLUSTERS[-1] and chance.random() < 0.4:
            # A header of its own, so that the cluster tells which entry was chosen.
            del entry["name"]
            entry["cluster_header"] = LAST
        if chance.random() < 0.15:
            entry["host_rewrite_literal"] = "weighted.host"
        entries.append(entry | per_route(chance, filters, 0.15))
    # Without a header to tell, the choice would be the real Envoy's own.
    return {"clusters": entries, "header_name": "x-random"}


def _redirect(chance: Random) -> Json:
    action: Json = {}
    for field, value in (
        ("host_redirect", "new.host"),
        ("port_redirect", chance.choice((80, 443, 8080))),
        ("strip_query", True),
    ):
        if chance.random() < 0.3:
            action[field] = value
    action |= chance.choice(({}, {"https_redirect": True}, {"scheme_redirect": "https"}))
    action |= chance.choice(
        (
            {},
            {"path_redirect": "/p"},
            {"path_redirect": "/p?x=1"},
            {"path_redirect": "p"},
            {"prefix_rewrite": "/p"},
            {"regex_rewrite": _substitution(chance)},
            {"path_rewrite": "/f%REQ(X-A)%"},
        )
    )
    codes = ("MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT",
             "PERMANENT_REDIRECT")  # fmt: skip
    return action | {"response_code": chance.choice(codes)}


def _direct(chance: Random) -> Json:
    action: Json = {"status": chance.choice((200, 204, 404, 503))}
    if action["status"] != 204 and chance.random() < 0.6:
        action["body"] = chance.choice(({"inline_string": "said"}, {"inline_bytes": "c2FpZA=="}))
    return action
