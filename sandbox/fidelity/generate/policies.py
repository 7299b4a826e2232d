"""Invent RBAC policies."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.case import Json
from sandbox.fidelity.generate.matching import (
    filter_state,
    header,
    metadata,
    path_text,
    template,
    text,
)

_DEEP = 2
_RANGES = ("127.0.0.1/32", "127.0.0.0/30", "127.0.0.0/8", "10.0.0.0/8")


def rbac(chance: Random) -> Json:
    """Return what the fields of an RBAC filter say."""
    config: Json = {}
    if chance.random() < 0.9:
        config["rules"] = _rules(chance)
    if chance.random() < 0.25:
        config["shadow_rules"] = _rules(chance)
        if chance.random() < 0.5:
            config["shadow_rules_stat_prefix"] = "dry_"
    return config


def _rules(chance: Random) -> Json:
    policies = {
        chance.choice(("p 0", "p1", "a")): {
            "permissions": [permission(chance) for _ in range(chance.randint(1, 2))],
            "principals": [principal(chance) for _ in range(chance.randint(1, 2))],
        }
        for _ in range(chance.randint(0, 2))
    }
    action = chance.choices(("ALLOW", "DENY", "LOG"), (5, 4, 1))[0]
    return {"action": action, "policies": policies}


def permission(chance: Random, depth: int = 0) -> Json:
    """Return a Permission."""
    kinds = ["any", "header", "url_path", "destination_ip", "destination_port", "metadata",
             "destination_port_range", "requested_server_name", "uri_template",
             "sourced_metadata"]  # fmt: skip
    if depth < _DEEP:
        kinds += ["and_rules", "or_rules", "not_rule"] * 2
    kind = chance.choice(kinds)
    match kind:
        case "and_rules" | "or_rules":
            return {kind: {"rules": [permission(chance, depth + 1) for _ in range(2)]}}
        case "not_rule":
            return {kind: permission(chance, depth + 1)}
        case "destination_ip":
            return {kind: address(chance)}
        case "destination_port":
            return {kind: chance.choice((1, 80))}
        case "destination_port_range":
            return {kind: chance.choice(({"start": 1, "end": 65535}, {"start": 1, "end": 2}))}
        case "requested_server_name":
            return {kind: chance.choice(({"exact": ""}, text(chance)))}
        case "uri_template":
            return {kind: template(chance)}
    return _either(chance, kind)


def principal(chance: Random, depth: int = 0) -> Json:
    """Return a Principal."""
    kinds = ["any", "header", "url_path", "source_ip", "direct_remote_ip", "remote_ip", "metadata",
             "authenticated", "filter_state", "sourced_metadata"]  # fmt: skip
    if depth < _DEEP:
        kinds += ["and_ids", "or_ids", "not_id"] * 2
    kind = chance.choice(kinds)
    match kind:
        case "and_ids" | "or_ids":
            return {kind: {"ids": [principal(chance, depth + 1) for _ in range(2)]}}
        case "not_id":
            return {kind: principal(chance, depth + 1)}
        case "source_ip" | "direct_remote_ip" | "remote_ip":
            return {kind: address(chance)}
        case "authenticated":
            return {kind: chance.choice(({}, {"principal_name": {"exact": ""}}))}
        case "filter_state":
            return {kind: filter_state(chance)}
    return _either(chance, kind)


def _either(chance: Random, kind: str) -> Json:
    match kind:
        case "header":
            return {kind: header(chance)}
        case "url_path":
            return {kind: {"path": path_text(chance)}}
        case "metadata":
            return {kind: metadata(chance)}
        case "sourced_metadata":
            return {kind: {"metadata_matcher": metadata(chance)}}
    return {"any": True}


def address(chance: Random) -> Json:
    """Return a CidrRange."""
    prefix, _, length = chance.choice(_RANGES).partition("/")
    return {"address_prefix": prefix, "prefix_len": int(length)}
