"""Load a bootstrap written by hand: the resources that stand in it, checked as Envoy would.

Models    envoy.config.bootstrap.v3.Bootstrap.static_resources
Follows   envoy/source/server/{server,configuration_impl}.cc, source/common/protobuf/utility.cc
Leaves    dynamic resources, secrets, the admin interface (docs/fidelity.md#bootstrap)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import DecodeError, Message

from simulator.diagnostics import Diagnostic
from simulator.envoy.compile import Config
from simulator.envoy.compile import compile as compile_resources
from simulator.envoy.compile.endpoints import locality_name
from simulator.envoy.known_clusters import refuse_doubles, refuse_unknown
from simulator.envoy.rejected import Rejected, Scope
from simulator.envoy_api import Resources, parse, unpack
from simulator.envoy_api.constraints import violations
from simulator.observe.explain import FieldRef

_KIND = "envoy.config.bootstrap.v3.Bootstrap"
_IGNORED = """node cluster_manager node_context_params static_resources admin stats_flush_interval
    stats_flush_on_admin watchdog watchdogs header_prefix use_tcp_for_dns_lookups
    typed_dns_resolver_config dns_resolution_config stats_server_version_override
    enable_dispatcher_stats stats_sinks stats_config tracing overload_manager
    fatal_actions default_socket_interface perf_tracing_file_path xds_delegate_extension
    xds_config_tracker_extension listener_manager inline_headers memory_allocator_manager
    bootstrap_extensions application_log_config grpc_async_client_manager_config
    flags_path certificate_provider_instances default_config_source"""
"""Fields that change nothing of what happens to requests, or nothing by themselves."""
_FILES = {
    "envoy.config.core.v3.DataSource": ("filename",),
    "envoy.config.core.v3.ConfigSource": ("path",),
    "envoy.config.core.v3.PathConfigSource": ("path",),
    "envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig": (
        "city_db_path", "isp_db_path", "anon_db_path", "asn_db_path", "country_db_path",
    ),
    "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder": (
        "proto_descriptor",
    ),
    "envoy.extensions.filters.http.grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder": (
        "descriptor_path",
    ),
}  # fmt: skip
"""Fields that name files which Envoy opens when it loads its configuration."""
_LATER = "envoy.extensions.common.aws."
"""Whatever these name is opened when a request needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """What a bootstrap comes to."""

    resources: Resources
    config: Config
    diagnostics: tuple[Diagnostic, ...]
    """What is accepted but not simulated."""


def load(value: Mapping[str, Any], exists: Callable[[str], bool] | None = None) -> Bootstrap:
    """Return what a bootstrap in its JSON form comes to.

    `exists` says whether a file is there; without it, files are taken to be.
    Raises SchemaError for what is not a bootstrap, and Rejected with Envoy's reasons.
    """
    message = parse(value, _KIND)
    broken = list(violations(message))
    if broken:
        field = FieldRef("bootstrap", "", broken[0].path)
        reasons = (f"{each.path}: {each.reason}" for each in broken)
        raise Rejected(*reasons, field=field)
    if exists is not None:
        missing = [name for name in _files(message) if not exists(name)]
        if missing:
            raise Rejected(*(f"Invalid path: {name}" for name in missing))
    scope = Scope("bootstrap", "")
    scope.only(message, _IGNORED)
    static = message.static_resources
    resources = Resources(
        listeners=tuple(_named(static.listeners, "listener")),
        clusters=tuple(sorted(static.clusters, key=lambda one: str(one.name))),
        secrets=tuple(sorted(static.secrets, key=lambda one: str(one.name))),
    )
    refuse_doubles(static.clusters)
    local = message.cluster_manager.local_cluster_name
    if local and local not in {one.name for one in static.clusters}:
        raise Rejected(f"local cluster '{local}' must be defined")
    for one in static.clusters:
        if one.name == local and any(each.priority for each in one.load_assignment.endpoints):
            raise Rejected(f"Unexpected non-zero priority for local cluster '{local}'.")
    scope.at("cluster_manager").only(message.cluster_manager, "local_cluster_name")
    where = locality_name(message.node.locality) if message.node.HasField("locality") else None
    config = replace(compile_resources(resources), local_cluster=local, locality=where)
    if not message.HasField("dynamic_resources"):
        refuse_unknown(static.listeners, config.clusters)
    return Bootstrap(
        resources=resources,
        config=config,
        diagnostics=(*scope.found, *config.diagnostics),
    )


def _named(listeners: Any, word: str) -> Iterator[Any]:  # noqa: ANN401 - protobuf
    """Yield the listeners; Envoy names those that have no name."""
    for at, one in enumerate(listeners):
        if not one.name:
            one.name = f"{word}_{at}"
        yield one


def _files(message: Message) -> Iterator[str]:
    """Yield the names of the files that a configuration refers to."""
    kind = message.DESCRIPTOR.full_name
    if kind == "google.protobuf.Any":
        inner = _unpacked(message)
        if inner is not None:
            yield from _files(inner)
        return
    if kind.startswith(_LATER):
        return
    for name in _FILES.get(kind, ()):
        given = getattr(message, name)
        if given:
            yield str(given)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if not field.is_repeated:
            yield from _files(value)
        elif not field.message_type.GetOptions().map_entry:
            for item in value:
                yield from _files(item)
        elif field.message_type.fields_by_name["value"].message_type is not None:
            for _, item in sorted(value.items()):
                yield from _files(item)


def _unpacked(packed: Any) -> Message | None:  # noqa: ANN401 - protobuf
    try:
        inner: Message = unpack(packed)
    except (KeyError, DecodeError):
        return None
    return inner
