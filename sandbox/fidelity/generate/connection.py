"""Invent listeners of one HTTP connection manager each."""

from __future__ import annotations

from random import Random

from sandbox.fidelity.generate.case import Json, flag
from sandbox.fidelity.generate.filters import chain
from sandbox.fidelity.generate.routes import table

_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
    "HttpConnectionManager"
)


def manager(chance: Random) -> Json:
    """Return a listener; its name, address and access log are for the plane to add."""
    filtering = chance.random() < 0.6
    filters = chain(chance, filtering=filtering)
    names = [str(each["name"]) for each in filters]
    config: Json = {
        "@type": _MANAGER,
        "stat_prefix": "http",
        "http_filters": filters,
        "route_config": table(chance, names, easy=filtering),
    }
    if not filtering or chance.random() < 0.3:
        config |= _paths(chance) | _clients(chance) | _names(chance)
    return {"filter_chains": [{"filters": [{"name": "http", "typed_config": config}]}]}


def _paths(chance: Random) -> Json:
    config: Json = flag(chance, "normalize_path", 0.3) | flag(chance, "merge_slashes", 0.3)
    if chance.random() < 0.3:
        config["path_with_escaped_slashes_action"] = chance.choice(
            ("KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD")
        )
    return config


def _clients(chance: Random) -> Json:
    config: Json = flag(chance, "use_remote_address", 0.3) | flag(chance, "skip_xff_append", 0.2)
    if chance.random() < 0.3:
        config["xff_num_trusted_hops"] = chance.choice((1, 2))
    if chance.random() < 0.3:
        ranges = [{"address_prefix": "127.0.0.0", "prefix_len": chance.choice((8, 31))}]
        if chance.random() < 0.5:
            ranges = [{"address_prefix": "10.0.0.0", "prefix_len": 8}]
        config["internal_address_config"] = {"cidr_ranges": ranges}
    if chance.random() < 0.2:
        config["forward_client_cert_details"] = chance.choice(
            ("SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY")
        )
    return config


def _names(chance: Random) -> Json:
    config: Json = {}
    for field, value in (
        ("server_name", "me"),
        ("via", "me"),
        ("generate_request_id", False),
        ("preserve_external_request_id", True),
        ("always_set_request_id_in_response", True),
        ("strip_trailing_host_dot", True),
    ):
        if chance.random() < 0.2:
            config[field] = value
    if chance.random() < 0.2:
        config[chance.choice(("strip_any_host_port", "strip_matching_host_port"))] = True
    if chance.random() < 0.2:
        config["server_header_transformation"] = chance.choice(
            ("OVERWRITE", "APPEND_IF_ABSENT", "PASS_THROUGH")
        )
    if chance.random() < 0.2:
        action = chance.choice(("REJECT_REQUEST", "DROP_HEADER"))
        config["common_http_protocol_options"] = {"headers_with_underscores_action": action}
    return config
