"""Compile what a route does: forward, redirect or answer itself.

Models    envoy.config.route.v3.{RouteAction, RedirectAction, DirectResponseAction, WeightedCluster}
Follows   envoy/source/common/router/{config_impl,weighted_cluster_specifier}.cc
Leaves    hedging, plugins (docs/fidelity.md#route-options)
"""

from __future__ import annotations

from typing import Any

from simulator.envoy import uri_template
from simulator.envoy.compile.fields import (
    fraction,
    header_text,
    optional_ns,
    regex,
)
from simulator.envoy.compile.filters import per_filter
from simulator.envoy.compile.mutations import format_string, header_mutations, mutations
from simulator.envoy.rejected import Rejected, Scope
from simulator.envoy.rewrite import (
    DirectResponse,
    HostRewrite,
    PathRewrite,
    Redirect,
    RegexRewrite,
)
from simulator.envoy.route_table import HashPolicy, Mirror, StreamDuration, WeightedCluster
from simulator.envoy_api import unpack

_REDIRECT_STATUS = (301, 302, 303, 307, 308)
_NOT_FOUND_STATUS = (503, 404, 500)
_MOST_WEIGHT = 2**32 - 1
_TEMPLATE_REWRITE = "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"


def regex_rewrite(message: Any, scope: Scope) -> RegexRewrite:  # noqa: ANN401 - protobuf
    """Compile an envoy.type.matcher.v3.RegexMatchAndSubstitute."""
    return RegexRewrite(
        pattern=regex(message.pattern, scope.at("pattern")),
        substitution=header_text(message, "substitution", scope),
    )


def path_rewrite(action: Any, template: str, scope: Scope) -> PathRewrite:  # noqa: ANN401
    """Compile how a RouteAction rewrites paths; `template` is the matcher's, where it is one."""
    prefix = header_text(action, "prefix_rewrite", scope)
    given = [
        bool(prefix),
        action.HasField("regex_rewrite"),
        action.HasField("path_rewrite_policy"),
        bool(action.path_rewrite),
    ]
    if sum(given) > 1:
        raise scope.reject(
            "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy"
        )
    if prefix and template:
        raise scope.reject("Cannot use prefix_rewrite with matcher extension")
    if given[1]:
        return PathRewrite(regex=regex_rewrite(action.regex_rewrite, scope.at("regex_rewrite")))
    if given[2]:
        extension = action.path_rewrite_policy
        return PathRewrite(template=_template(extension, template, scope.at("path_rewrite_policy")))
    if given[3]:
        return PathRewrite(format=format_string(action.path_rewrite, scope.at("path_rewrite")))
    return PathRewrite(prefix=prefix)


def _template(extension: Any, matcher: str, scope: Scope) -> tuple[str, ...]:  # noqa: ANN401
    config = unpack(extension.typed_config)
    if config.DESCRIPTOR.full_name != _TEMPLATE_REWRITE:
        raise scope.reject(
            f"Didn't find a registered implementation for '{extension.name}' "
            f"with type URL: '{config.DESCRIPTOR.full_name}'"
        )
    if not matcher:
        raise scope.reject(
            f"unable to use {extension.name} extension without {_MATCHER_NAME} extension"
        )
    text = config.path_template_rewrite
    try:
        parts = uri_template.parse_rewrite(text)
    except uri_template.BadTemplateError as error:
        raise scope.reject(
            f"path_rewrite_policy.path_template_rewrite {text} is invalid"
        ) from error
    if not set(parts[1::2]) <= set(uri_template.parse(matcher).names):
        raise scope.reject(
            f"mismatch between variables in path_match_policy {matcher} and "
            f"path_rewrite_policy {text}"
        )
    return parts


_MATCHER_NAME = "envoy.path.match.uri_template.uri_template_matcher"


def host_rewrite(action: Any, scope: Scope) -> HostRewrite:  # noqa: ANN401 - protobuf
    """Compile how a RouteAction rewrites the host."""
    append = bool(action.append_x_forwarded_host)
    which = action.WhichOneof("host_rewrite_specifier")
    match which:
        case "host_rewrite_literal":
            text = header_text(action, which, scope)
            return HostRewrite(literal=text, append_x_forwarded_host=append)
        case "host_rewrite_header":
            text = header_text(action, which, scope)
            return HostRewrite(header=text.lower(), append_x_forwarded_host=append)
        case "host_rewrite_path_regex":
            found = regex_rewrite(action.host_rewrite_path_regex, scope.at(which))
            return HostRewrite(path_regex=found, append_x_forwarded_host=append)
        case "auto_host_rewrite":
            on = bool(action.auto_host_rewrite.value)
            return HostRewrite(automatic=on, append_x_forwarded_host=append)
        case "host_rewrite":
            parts = format_string(action.host_rewrite, scope.at(which))
            return HostRewrite(format=parts, append_x_forwarded_host=append)
    return HostRewrite(append_x_forwarded_host=append)


def redirect(message: Any, template: str, scope: Scope) -> Redirect:  # noqa: ANN401 - protobuf
    """Compile a RedirectAction; `template` is the matcher's, where it is one."""
    if template and message.prefix_rewrite:
        raise scope.reject("Cannot use redirect.prefix_rewrite with path_match_policy")
    rewrite = PathRewrite(prefix=header_text(message, "prefix_rewrite", scope))
    if message.HasField("regex_rewrite"):
        rewrite = PathRewrite(regex=regex_rewrite(message.regex_rewrite, scope.at("regex_rewrite")))
    if message.path_rewrite:
        inner = scope.at("path_rewrite")
        try:
            rewrite = PathRewrite(format=format_string(message.path_rewrite, inner))
        except Rejected as error:
            raise inner.reject(f"Failed to create path_rewrite formatter: {error}") from error
    return Redirect(
        field=scope.ref,
        status=_REDIRECT_STATUS[message.response_code],
        https=bool(message.https_redirect),
        scheme=message.scheme_redirect,
        host=header_text(message, "host_redirect", scope),
        port=int(message.port_redirect),
        path=header_text(message, "path_redirect", scope),
        path_rewrite=rewrite,
        strip_query=bool(message.strip_query),
    )


def direct_response(message: Any, largest: int, scope: Scope) -> DirectResponse:  # noqa: ANN401
    """Compile a DirectResponseAction."""
    if not 200 <= message.status < 600:
        raise scope.reject(
            "DirectResponseActionValidationError.Status: value must be inside range [200, 600)"
        )
    which = message.body.WhichOneof("specifier")
    body = ""
    if which == "inline_string":
        body = message.body.inline_string
    elif which == "inline_bytes":
        body = message.body.inline_bytes.decode("utf-8", "replace")
    elif which is not None:
        scope.at("body").skip(which, "the body stays empty")
    if len(body.encode()) > largest:
        raise scope.reject(
            f"response body size is {len(body.encode())} bytes; maximum is {largest}"
        )
    scope.only(message, "status body")
    return DirectResponse(field=scope.ref, status=int(message.status), body=body)


def weighted_clusters(
    message: Any,  # noqa: ANN401 - protobuf
    route_name: str,
    scope: Scope,
) -> tuple[tuple[WeightedCluster, ...], int]:
    """Compile a WeightedCluster; return its entries and the sum of their weights."""
    scope.only(message, "clusters header_name total_weight")
    entries = tuple(
        _weighted(one, scope.at("clusters", at)) for at, one in enumerate(message.clusters)
    )
    if not entries:
        raise scope.reject(
            "WeightedClusterValidationError.Clusters: value must contain at least 1 item(s)"
        )
    total = sum(entry.weight for entry in entries)
    if total > _MOST_WEIGHT:
        raise scope.reject(
            f"The sum of weights of all weighted clusters of route {route_name} "
            f"exceeds {_MOST_WEIGHT}"
        )
    if total == 0:
        raise scope.reject("Sum of weights in the weighted_cluster must be greater than 0.")
    return entries, total


def _weighted(message: Any, scope: Scope) -> WeightedCluster:  # noqa: ANN401 - protobuf
    if message.name and message.cluster_header:
        raise scope.reject("Only one of name or cluster_header can be specified")
    if not message.name and not message.cluster_header:
        raise scope.reject("At least one of name or cluster_header need to be specified")
    scope.only(
        message,
        """name cluster_header weight metadata_match request_headers_to_add
        request_headers_to_remove response_headers_to_add response_headers_to_remove
        typed_per_filter_config host_rewrite_literal""",
    )
    return WeightedCluster(
        name=message.name,
        cluster_header=message.cluster_header.lower(),
        weight=int(message.weight.value) if message.HasField("weight") else 0,
        field=scope.ref,
        request_headers=mutations(message, "request", scope),
        response_headers=mutations(message, "response", scope),
        host_rewrite=header_text(message, "host_rewrite_literal", scope),
        metadata_match=metadata_match(message),
        per_filter=per_filter(message.typed_per_filter_config, scope),
    )


def metadata_match(message: Any) -> dict[str, Any] | None:  # noqa: ANN401 - protobuf
    """Return the `envoy.lb` part of `metadata_match`."""
    if not message.HasField("metadata_match"):
        return None
    found = message.metadata_match.filter_metadata
    return plain(found["envoy.lb"]) if "envoy.lb" in found else {}


def plain(struct: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf
    """Return a google.protobuf.Struct as JSON values."""
    return {name: _value(value) for name, value in struct.fields.items()}


def _value(value: Any) -> Any:  # noqa: ANN401 - protobuf
    match value.WhichOneof("kind"):
        case "struct_value":
            return plain(value.struct_value)
        case "list_value":
            return [_value(item) for item in value.list_value.values]
        case None | "null_value":
            return None
        case which:
            return getattr(value, which)


def mirror(message: Any, scope: Scope) -> Mirror:  # noqa: ANN401 - protobuf
    """Compile a RequestMirrorPolicy."""
    scope.only(
        message,
        """cluster cluster_header runtime_fraction trace_sampled disable_shadow_host_suffix_append
        request_headers_mutations host_rewrite_literal""",
    )
    if message.cluster and message.cluster_header:
        raise scope.reject(
            f"Only one of cluster '{message.cluster}' or cluster_header "
            f"'{message.cluster_header}' in request mirror policy can be specified"
        )
    if not message.cluster and not message.cluster_header:
        raise scope.reject(
            "Exactly one of cluster or cluster_header in request mirror policy need to be specified"
        )
    numerator, denominator, key = 100, 100, ""
    if message.HasField("runtime_fraction"):
        inner = scope.at("runtime_fraction")
        numerator, denominator = fraction(message.runtime_fraction.default_value, inner)
        key = message.runtime_fraction.runtime_key
    return Mirror(
        cluster=message.cluster,
        cluster_header=message.cluster_header.lower(),
        numerator=numerator,
        denominator=denominator,
        runtime_key=key,
        suffix_host=not message.disable_shadow_host_suffix_append,
        host_rewrite=header_text(message, "host_rewrite_literal", scope),
        request_headers=header_mutations(message, "request_headers_mutations", scope),
        field=scope.ref,
    )


def hash_policy(message: Any, scope: Scope) -> HashPolicy | None:  # noqa: ANN401 - protobuf
    """Compile a HashPolicy; `None` if it never makes a hash."""
    which = message.WhichOneof("policy_specifier")
    if which is None:
        raise scope.reject("HashPolicyValidationError.PolicySpecifier: value is required")
    own = getattr(message, which)
    common: dict[str, Any] = {"kind": which, "terminal": bool(message.terminal), "field": scope.ref}
    match which:
        case "header":
            rewrite = None
            if own.HasField("regex_rewrite"):
                rewrite = regex_rewrite(own.regex_rewrite, scope.at(which).at("regex_rewrite"))
            return HashPolicy(name=own.header_name.lower(), rewrite=rewrite, **common)
        case "cookie":
            # Whole seconds count.
            ttl = own.ttl.seconds * 1_000_000_000 if own.HasField("ttl") else None
            return HashPolicy(
                name=own.name,
                cookie_ttl_ns=ttl,
                cookie_path=own.path,
                cookie_attributes=tuple((each.name, each.value) for each in own.attributes),
                **common,
            )
        case "connection_properties":
            return HashPolicy(name="", **common) if own.source_ip else None
        case "filter_state":
            return HashPolicy(name=own.key, **common)
    return HashPolicy(name=own.name, **common)


def not_found_status(action: Any) -> int:  # noqa: ANN401 - protobuf
    """Return the status for a cluster that does not exist."""
    return _NOT_FOUND_STATUS[action.cluster_not_found_response_code]


def stream_duration(action: Any) -> StreamDuration | None:  # noqa: ANN401 - protobuf
    """Compile a MaxStreamDuration."""
    if not action.HasField("max_stream_duration"):
        return None
    given = action.max_stream_duration
    return StreamDuration(
        max_ns=optional_ns(given, "max_stream_duration"),
        grpc_header_max_ns=optional_ns(given, "grpc_timeout_header_max"),
        grpc_header_offset_ns=optional_ns(given, "grpc_timeout_header_offset") or 0,
    )
