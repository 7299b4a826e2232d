"""Invent listeners about one rare field of an HTTP filter each."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.aimed_routes import tree
from sandbox.fidelity.generate.aims import Aim, Maker, each, filtered, forward, listening, typed
from sandbox.fidelity.generate.case import Json
from sandbox.fidelity.generate.matching import METADATA, STATE, template

_ANY: Json = {"any": True}
_NEAR = {"address_prefix": "127.0.0.0", "prefix_len": 8}
_HEADER = {"name": "x-a", "string_match": {"exact": "one"}}
_WRITTEN: Json = {"a": "v", "b": 5, "t": True, "f": False, "n": None, "l": ["one", 3]}
_FOUND: tuple[tuple[str, Json], ...] = (
    ("a", {"string_match": {"exact": "V", "ignore_case": True}}),
    ("b", {"double_match": {"exact": 5}}),
    ("b", {"double_match": {"range": {"start": 1, "end": 9}}}),
    ("b", {"double_match": {"range": {"start": 6, "end": 9}}}),
    ("t", {"bool_match": True}),
    ("a", {"present_match": True}),
    ("n", {"null_match": {}}),
    ("l", {"list_match": {"one_of": {"string_match": {"prefix": "o"}}}}),
    ("f", {"or_match": {"value_matchers": [{"bool_match": False}, {"bool_match": True}]}}),
)
"""Values that `_WRITTEN` has, most of them."""


def metadata(chance: Random) -> Json:
    """Return a MetadataMatcher."""
    return _of_value(chance, chance.randrange(len(_FOUND)))


def _of_value(chance: Random, at: int) -> Json:
    key, value = _FOUND[at]
    inverted = {"invert": True} if chance.random() < 0.25 else {}
    return {"filter": METADATA, "path": [{"key": key}], "value": value} | inverted


def _permissions(chance: Random) -> list[Json]:
    return [
        {"any": True},
        {"header": _HEADER},
        {"url_path": {"path": {"exact": "/A", "ignore_case": True}}},
        {"destination_ip": _NEAR},
        {"not_rule": {"destination_port": 1}},
        {"destination_port_range": {"start": 1, "end": 65535}},
        {"not_rule": {"destination_port_range": {"start": 65534, "end": 65535}}},
        {"requested_server_name": {"exact": ""}},
        {"metadata": metadata(chance)},
        {"sourced_metadata": {"metadata_matcher": metadata(chance)}},
        {"and_rules": {"rules": [{"header": _HEADER}, {"any": True}]}},
        {"or_rules": {"rules": [{"header": _HEADER}, {"destination_port": 1}]}},
        {"uri_template": template(chance)},
    ]


def _principals(chance: Random) -> list[Json]:
    return [
        {"any": True},
        {"header": _HEADER},
        {"url_path": {"path": {"prefix": "/a"}}},
        {"source_ip": _NEAR},
        {"direct_remote_ip": _NEAR},
        {"remote_ip": _NEAR},
        {"not_id": {"authenticated": {}}},
        {"metadata": metadata(chance)},
        {"sourced_metadata": {"metadata_matcher": metadata(chance)}},
        {"filter_state": {"key": STATE, "string_match": {"prefix": "o"}}},
        {"and_ids": {"ids": [{"header": _HEADER}, {"any": True}]}},
        {"or_ids": {"ids": [{"header": _HEADER}, {"authenticated": {}}]}},
    ]


def _writers(chance: Random) -> list[Json]:
    """Return the filters that write what policies look at."""
    entries: list[Json] = [{"metadata_namespace": METADATA, "value": _WRITTEN}]
    if chance.random() < 0.4:
        other = {"metadata_namespace": METADATA, "value": {"a": "w", "b": 8, "t": False}}
        entries.append(other | {"allow_overwrite": True})
    old = {"metadata_namespace": METADATA, "value": _WRITTEN}
    values = old if chance.random() < 0.3 else {"metadata": entries}
    state: Json = {
        "object_key": STATE,
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "one"}},
    }
    if chance.random() < 0.4:
        state |= {"skip_if_empty": True}
        state["format_string"] = {"text_format_source": {"inline_string": ""}}
    return [
        filtered("set-metadata", "set_metadata.v3.Config", values),
        filtered("set-state", "set_filter_state.v3.Config", {"on_request_headers": [state]}),
    ]


def _policy(permission: Json, principal: Json) -> Json:
    return {"permissions": [permission], "principals": [principal]}


def _permitted(chance: Random, at: int) -> Aim:
    policy = _policy(_permissions(chance)[at], _ANY)
    if chance.random() < 0.15:
        policy["condition"] = {"const_expr": {"bool_value": chance.random() < 0.3}}
    return _judged(chance, {"action": chance.choice(("ALLOW", "DENY")), "policies": {"p": policy}})


def _claimed(chance: Random, at: int) -> Aim:
    policy = _policy(_ANY, _principals(chance)[at])
    return _judged(chance, {"action": "ALLOW", "policies": {"p": policy}})


def _valued(chance: Random, at: int) -> Aim:
    policy = _policy({"metadata": _of_value(chance, at)}, _ANY)
    return _judged(chance, {"action": "ALLOW", "policies": {"p": policy}})


def _judged(chance: Random, rules: Json) -> Aim:
    return _judging([filtered("rbac", "rbac.v3.RBAC", {"rules": rules})], *_writers(chance))


def _decided(chance: Random) -> Aim:
    config = {"matcher": _decisions(chance)}
    return _judging([filtered("rbac", "rbac.v3.RBAC", config)], *_writers(chance))


def _judging(rbac: list[Json], *writers: Json, **host: object) -> Aim:
    return Aim(
        listener=listening([forward()], [*writers, *rbac], host=dict(host)),
        headers=(("x-a", ("one", "one", None, "1", "12")), ("x-b", ("one", "one", None, "two"))),
        paths=("/a", "/a", "/A", "/b"),
    )


def _decisions(chance: Random) -> Json:
    kind = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    asked = {"name": "header", "typed_config": {"@type": kind, "header_name": "x-a"}}
    decision = {"@type": "type.googleapis.com/envoy.config.rbac.v3.Action"}
    one, two, other = (
        {"action": {"name": "action", "typed_config": {**decision, **said}}}
        for said in (
            {"name": "one"},
            {"name": "two", "action": "DENY"},
            {"name": "other", "action": "LOG"},
        )
    )
    return tree(chance, asked, one, two, other)


def _shadowed(chance: Random) -> Aim:
    config: Json = {"shadow_rules_stat_prefix": "dry_"}
    if chance.random() < 0.5:
        config["shadow_rules"] = {
            "action": "ALLOW",
            "policies": {"p": _policy(chance.choice(_permissions(chance)), _ANY)},
        }
    else:
        config["shadow_matcher"] = _decisions(chance)
    shown = "%DYNAMIC_METADATA(envoy.filters.http.rbac:dry_shadow_engine_result)%"
    added = {"header": {"key": "x-shown", "value": shown}}
    return _judging(
        [filtered("rbac", "rbac.v3.RBAC", config)],
        *_writers(chance),
        response_headers_to_add=[added],
    )


def _stated(chance: Random) -> Aim:
    matcher = {"key": STATE, "string_match": {"safe_regex": {"regex": ".*"}}}
    policy = _policy(_ANY, {"filter_state": matcher})
    rules = {"rules": {"action": "DENY", "policies": {"p": policy}}}
    return _judging([filtered("rbac", "rbac.v3.RBAC", rules)], *_writers(chance))


def _buffered(_: Random, at: int) -> Aim:
    ways: tuple[Json, ...] = ({"disabled": True}, {"buffer": {"max_request_bytes": 50}})
    own = ways[at]
    per_route = {"typed_per_filter_config": {"buffer": typed("buffer.v3.BufferPerRoute", own)}}
    return Aim(
        listener=listening(
            [forward() | per_route],
            [filtered("buffer", "buffer.v3.Buffer", {"max_request_bytes": 5})],
        ),
        methods=("POST", "POST", "GET"),
        bodies=(3, 10, 40),
    )


def _across(chance: Random) -> Aim:
    policy: Json = {
        "allow_origin_string_match": [{"suffix": ".test"}],
        "allow_methods": "GET,PUT",
        "allow_headers": "x-a",
        "expose_headers": "x-b",
        "max_age": "60",
        "allow_credentials": True,
        "allow_private_network_access": True,
    }
    if chance.random() < 0.7:
        policy["forward_not_matching_preflights"] = False
    if chance.random() < 0.3:
        policy["filter_enabled"] = {"default_value": {"numerator": 0}}
    per_route = {"typed_per_filter_config": {"cors": typed("cors.v3.CorsPolicy", policy)}}
    return Aim(
        listener=listening([forward() | per_route], [filtered("cors", "cors.v3.Cors", {})]),
        headers=(
            ("origin", ("http://a.test", "http://a.test", "https://other")),
            ("access-control-request-method", ("PUT", None)),
            ("access-control-request-private-network", ("true", None)),
        ),
        methods=("OPTIONS", "OPTIONS", "GET"),
    )


def _faulty(_: Random, at: int) -> Aim:
    always = {"percentage": {"numerator": 100}}
    ends: Json = {"abort": {"http_status": 418, **always}}
    ways: tuple[Json, ...] = (
        {**ends, "headers": [_HEADER]},
        {"abort": {"grpc_status": 14, **always}},
        {"abort": {"header_abort": {}, **always}},
        {**ends, "max_active_faults": 0},
        {**ends, "upstream_cluster": "c1"},
        {"delay": {"header_delay": {}, **always}},
    )
    return Aim(
        listener=listening([forward()], [filtered("fault", "fault.v3.HTTPFault", ways[at])]),
        headers=(
            ("x-a", ("one", None)),
            ("content-type", (None, "application/grpc")),
            ("x-envoy-fault-abort-request", ("503", None)),
            ("x-envoy-fault-delay-request", ("1", None)),
        ),
    )


def _limited(chance: Random) -> Aim:
    always = {"default_value": {"numerator": 100}}
    config: Json = {
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1, "fill_interval": "3600s"},
        "filter_enabled": always,
        "filter_enforced": always,
    }
    if chance.random() < 0.5:
        del config["filter_enforced"]
        added = {"header": {"key": "x-limited", "value": "yes"}}
        config["request_headers_to_add_when_not_enforced"] = [added]
    else:
        config["status"] = {"code": chance.choice(("ServiceUnavailable", "BadRequest"))}
        config["rate_limited_as_resource_exhausted"] = True
    limit = filtered("limit", "local_ratelimit.v3.LocalRateLimit", config)
    return Aim(
        listener=listening([forward()], [limit]),
        headers=(("content-type", (None, "application/grpc")),),
    )


def _mutated(chance: Random) -> Aim:
    def sets(value: str) -> Json:
        append: Json = {"header": {"key": "x-set", "value": value}}
        append |= {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        side = f"{chance.choice(('request', 'response'))}_mutations"
        return {
            "mutations": {"request_mutations": [{"append": append}], side: [{"append": append}]}
        }

    def per_route(value: str) -> Json:
        own = typed("header_mutation.v3.HeaderMutationPerRoute", sets(value))
        return {"typed_per_filter_config": {"mutate": own}}

    config = {**sets("chain"), "most_specific_header_mutations_wins": True}
    return Aim(
        listener=listening(
            [forward() | per_route("route")],
            [filtered("mutate", "header_mutation.v3.HeaderMutation", config)],
            host=per_route("host"),
        )
    )


def _healthy(chance: Random) -> Aim:
    path = {"name": ":path", "string_match": {"exact": "/a"}}
    config = {"pass_through_mode": chance.random() < 0.3, "headers": [path]}
    return Aim(
        listener=listening(
            [forward()], [filtered("health", "health_check.v3.HealthCheck", config)]
        ),
        paths=("/a", "/b"),
        scripts=(("404",),),
    )


FILTERS: tuple[Maker, ...] = (
    *each(_permitted, 13),
    *each(_claimed, 12),
    *each(_valued, len(_FOUND)),
    _decided,
    _decided,
    _shadowed,
    _shadowed,
    _stated,
    _stated,
    _stated,
    *each(_buffered, 2),
    *(_across,) * 3,
    *each(_faulty, 6),
    _limited,
    _limited,
    _mutated,
    _healthy,
    _healthy,
)
