"""Invent HTTP filters, for a chain and for what routes say about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from sandbox.fidelity.generate.case import Json, flag, fraction
from sandbox.fidelity.generate.matching import METADATA, STATE, header
from sandbox.fidelity.generate.mutations import added, mutation
from sandbox.fidelity.generate.policies import rbac

_TYPE = "type.googleapis.com/envoy.extensions.filters.http."
_WRAPPER = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
ROUTER = f"{_TYPE}router.v3.Router"


def fault(chance: Random) -> Json:
    """Return an HTTPFault; its delays are short, and hit always or never."""
    config: Json = {"@type": f"{_TYPE}fault.v3.HTTPFault"}
    if chance.random() < 0.5:
        kind: Json = chance.choice(({"fixed_delay": "0.001s"}, {"header_delay": {}}))
        config["delay"] = {**kind, "percentage": _percentage(chance, kind)}
    if chance.random() < 0.6:
        kind = chance.choice(({"http_status": 418}, {"grpc_status": 14}, {"header_abort": {}}))
        config["abort"] = {**kind, "percentage": _percentage(chance, kind)}
    if chance.random() < 0.2:
        config["headers"] = [header(chance)]
    if chance.random() < 0.15:
        config["upstream_cluster"] = chance.choice(("c0", "c1"))
    if chance.random() < 0.15:
        config["max_active_faults"] = chance.choice((0, 1))
    return config


def _percentage(chance: Random, kind: Json) -> Json:
    """Return a FractionalPercent that hits always or never, whatever a header asks for."""
    share: Json = fraction(chance)["default_value"]
    if any(name.startswith("header") for name in kind):
        return {"numerator": 100 if share["numerator"] else 0}
    return share


def cors_policy(chance: Random) -> Json:
    """Return a CorsPolicy."""
    policy: Json = {
        "@type": f"{_TYPE}cors.v3.CorsPolicy",
        "allow_origin_string_match": [
            chance.choice(({"exact": "http://a.test"}, {"suffix": ".test"}, {"prefix": "https:"}))
        ],
    }
    for field, value in (
        ("allow_methods", "GET,PUT"),
        ("allow_headers", "x-a"),
        ("expose_headers", "x-b"),
        ("max_age", "60"),
        ("allow_credentials", True),
        ("allow_private_network_access", True),
        ("forward_not_matching_preflights", False),
    ):
        if chance.random() < 0.5:
            policy[field] = value
    if chance.random() < 0.2:
        policy["filter_enabled"] = fraction(chance)
    return policy


def local_ratelimit(chance: Random) -> Json:
    """Return a LocalRateLimit that is not filled again while it is asked."""
    config: Json = {
        "@type": f"{_TYPE}local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": chance.choice((1, 3, 9)), "fill_interval": "3600s"},
        "filter_enabled": {"default_value": {"numerator": 100}},
        "filter_enforced": {"default_value": {"numerator": 100}},
    }
    if chance.random() < 0.2:
        config["filter_enabled"] = fraction(chance)
    if chance.random() < 0.4:
        config["filter_enforced"] = fraction(chance)
    if chance.random() < 0.4:
        config["status"] = {"code": chance.choice(("ServiceUnavailable", "OK", "BadRequest"))}
    if chance.random() < 0.4:
        config["response_headers_to_add"] = [added(chance, "response")]
    if chance.random() < 0.4:
        config["request_headers_to_add_when_not_enforced"] = [added(chance, "request")]
    if chance.random() < 0.4:
        config["enable_x_ratelimit_headers"] = "DRAFT_VERSION_03"
    return config | flag(chance, "rate_limited_as_resource_exhausted", 0.3)


def header_mutation(chance: Random) -> Json:
    """Return a HeaderMutation."""
    config: Json = _mutations(chance, "HeaderMutation")
    return config | flag(chance, "most_specific_header_mutations_wins", 0.5)


def _mutations(chance: Random, kind: str) -> Json:
    return {
        "@type": f"{_TYPE}header_mutation.v3.{kind}",
        "mutations": {
            f"{side}_mutations": [mutation(chance, side) for _ in range(chance.randint(1, 2))]
            for side in ("request", "response")
            if chance.random() < 0.7
        },
    }


def set_metadata(chance: Random) -> Json:
    """Return a set_metadata Config."""
    values = ({"a": "v", "b": 7}, {"a": {"c": 1}, "l": ["one"]}, {"b": True, "l": [1, "One"]})
    config: Json = {"@type": f"{_TYPE}set_metadata.v3.Config"}
    if chance.random() < 0.2:
        config |= {"metadata_namespace": METADATA, "value": chance.choice(values)}
    config["metadata"] = [
        {
            "metadata_namespace": METADATA,
            "value": chance.choice(values),
            **flag(chance, "allow_overwrite", 0.5),
        }
        for _ in range(chance.randint(1, 2))
    ]
    return config


def filter_state(chance: Random) -> Json:
    """Return a set_filter_state Config."""
    value: Json = {
        "object_key": STATE,
        "factory_key": chance.choice(("envoy.string", "envoy.hashable_string")),
        "format_string": {"text_format_source": {"inline_string": chance.choice(("one", "7", ""))}},
    }
    config = f"{_TYPE}set_filter_state.v3.Config"
    return {"@type": config, "on_request_headers": [value | flag(chance, "skip_if_empty", 0.3)]}


def health_check(chance: Random) -> Json:
    """Return a HealthCheck."""
    config: Json = {"@type": f"{_TYPE}health_check.v3.HealthCheck"}
    config["pass_through_mode"] = chance.random() < 0.3
    config["headers"] = [{"name": ":path", "string_match": {"exact": chance.choice(("/a", "/b"))}}]
    return config


def buffer(chance: Random) -> Json:
    """Return a Buffer."""
    return {"@type": f"{_TYPE}buffer.v3.Buffer", "max_request_bytes": chance.choice((5, 50))}


def _rbac(chance: Random) -> Json:
    return {"@type": f"{_TYPE}rbac.v3.RBAC", **rbac(chance)}


def _rbac_per_route(chance: Random) -> Json:
    own = {"rbac": rbac(chance)} if chance.random() < 0.8 else {}
    return {"@type": f"{_TYPE}rbac.v3.RBACPerRoute", **own}


def _buffer_per_route(chance: Random) -> Json:
    own: Json = {"disabled": True}
    if chance.random() < 0.5:
        own = {"buffer": {"max_request_bytes": chance.choice((5, 50))}}
    return {"@type": f"{_TYPE}buffer.v3.BufferPerRoute", **own}


_FILTERS: Mapping[str, Callable[[Random], Json]] = {
    "cors": lambda _: {"@type": f"{_TYPE}cors.v3.Cors"},
    "set-metadata": set_metadata,
    "set-filter-state": filter_state,
    "fault": fault,
    "rbac": _rbac,
    "limit": local_ratelimit,
    "mutate": header_mutation,
    "health": health_check,
    "buffer": buffer,
}
_WEIGHTS = {"rbac": 5, "fault": 2, "cors": 2, "limit": 2}
"""How often a filter comes, where not once: those that have more to say."""
_PER_ROUTE: Mapping[str, Callable[[Random], Json]] = {
    "cors": cors_policy,
    "fault": fault,
    "rbac": _rbac_per_route,
    "limit": local_ratelimit,
    "mutate": lambda chance: _mutations(chance, "HeaderMutationPerRoute"),
    "buffer": _buffer_per_route,
}


def chain(chance: Random, *, filtering: bool) -> list[Json]:
    """Return the filters of a chain, the router last."""
    few = chance.choice((1, 1, 2, 4)) if filtering else 0
    found = []
    names = chance.sample(list(_FILTERS), few, counts=[_WEIGHTS.get(name, 1) for name in _FILTERS])
    for name in dict.fromkeys(names):
        one = {"name": name, "typed_config": _FILTERS[name](chance)}
        found.append(one | flag(chance, "disabled", 0.1))
    router: Json = {"@type": ROUTER, **flag(chance, "suppress_envoy_headers", 0.1)}
    router |= flag(chance, "respect_expected_rq_timeout", 0.1)
    return [*found, {"name": "router", "typed_config": router}]


def per_route(chance: Random, filters: list[str], share: float) -> Json:
    """Return the field in which any level speaks of filters."""
    own: Json = {}
    for name in filters:
        if name in _FILTERS and chance.random() < share:
            own[name] = _own(chance, name)
    return {"typed_per_filter_config": own} if own else {}


def _own(chance: Random, name: str) -> Json:
    make = _PER_ROUTE.get(name)
    if make is None or chance.random() < 0.12:
        return {"@type": _WRAPPER, "disabled": True}
    if chance.random() < 0.15:
        return {"@type": _WRAPPER, "config": make(chance), **flag(chance, "is_optional", 0.3)}
    return make(chance)
