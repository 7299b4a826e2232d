"""Write the access logs that the mesh's configuration and Telemetries ask for.

Where a Telemetry or `defaultProviders` speaks of access logs, it alone counts; else
`accessLogFile` does. Telemetries count from the mesh's to the workload's own, and the
narrower has the last word on each provider.

Models    envoy.config.accesslog.v3.AccessLog
Follows   istio pilot/pkg/model/{telemetry,telemetry_logging}.go,
          pilot/pkg/networking/core/accesslog.go
Leaves    logs over gRPC, metrics, tracing (docs/fidelity.md#telemetry)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simulator.config.istio import MeshConfig, Telemetry
from simulator.config.istio.extension_provider import EnvoyFileAccessLog, LogFormat
from simulator.config.istio.telemetry import AccessLogging
from simulator.config.objects import Object
from simulator.envoy_api import message, pack
from simulator.istiod.attachment import holds
from simulator.istiod.registry import Mesh, Pod
from simulator.istiod.virtual_service import age

Side = Literal["CLIENT", "SERVER"]

_FILE = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
_CEL = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
_WITHOUT_QUERY = "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery"
_BUILT_IN = "envoy"
_STDOUT = "/dev/stdout"
_PATH = "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"
_SERVICE_TIME = "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"
_TEXT = " ".join(
    (
        "[%START_TIME%]",
        f'"%REQ(:METHOD)% {_PATH} %PROTOCOL%"',
        "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%",
        "%CONNECTION_TERMINATION_DETAILS%",
        '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
        f"%BYTES_RECEIVED% %BYTES_SENT% %DURATION% {_SERVICE_TIME}",
        '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%"',
        '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW%',
        "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%",
        "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
    )
)
"""Istio's own format: Envoy's, and what helps to find why a request failed."""
_SAME = (
    "start_time route_name protocol response_code response_flags response_code_details "
    "connection_termination_details bytes_received bytes_sent duration upstream_host "
    "upstream_local_address downstream_local_address downstream_remote_address "
    "requested_server_name upstream_transport_failure_reason"
)
_JSON = {
    **{name: f"%{name.upper()}%" for name in _SAME.split()},
    "method": "%REQ(:METHOD)%",
    "path": _PATH,
    "upstream_service_time": _SERVICE_TIME,
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
}


@dataclass(frozen=True, slots=True)
class _Log:
    file: EnvoyFileAccessLog
    expression: str = ""
    """In CEL: what it is false for is not logged."""


def access_logs(mesh: Mesh, pod: Pod, side: Side) -> list[dict[str, Any]]:
    """Return the field `access_log` of what carries requests or connections of a pod."""
    return [_message(each, _expression(each.expression)) for each in _logs(mesh, pod, side)]


def listener_logs(mesh: Mesh, pod: Pod, side: Side) -> list[dict[str, Any]]:
    """Return the field `access_log` of a listener: of connections that no filter chain takes."""
    nowhere = {"response_flag_filter": {"flags": ["NR"]}}
    found = []
    for each in _logs(mesh, pod, side):
        wanted = _expression(each.expression)
        both = {"and_filter": {"filters": [nowhere, wanted]}} if wanted else nowhere
        found.append(_message(each, both))
    return found


def selectors(mesh: Mesh) -> Iterator[Mapping[str, str]]:
    """Yield the labels by which Telemetries choose workloads."""
    for each in mesh.manifests.of("Telemetry"):
        yield _labels(each)


def _logs(mesh: Mesh, pod: Pod, side: Side) -> tuple[_Log, ...]:
    key = "access logs", pod.namespace, tuple(sorted(pod.labels.items())), side
    if key not in mesh.shared:
        mesh.shared[key] = tuple(_find(mesh, pod, side))
    found: tuple[_Log, ...] = mesh.shared[key]
    return found


def _find(mesh: Mesh, pod: Pod, side: Side) -> Iterator[_Log]:
    config = mesh.config
    usual = _default_providers(config)
    said = [one for each in _telemetries(mesh, pod) for one in each.access_logging]
    if not said and not usual:
        if config.access_log_file:
            yield _Log(_of_mesh(config, config.access_log_file))
        return
    chosen = _chosen(said, usual, side) if said else dict.fromkeys(usual, "")
    for name in sorted(chosen):
        file = _provider(config, name)
        if file is not None:
            yield _Log(file, chosen[name])


def _chosen(said: list[AccessLogging], usual: tuple[str, ...], side: Side) -> dict[str, str]:
    """Return the filters' expressions by provider."""
    found: dict[str, str] = {}
    inherited = usual
    for each in said:
        if each.match is not None and each.match.mode not in ("CLIENT_AND_SERVER", side):
            continue
        named = tuple(one.name for one in each.providers)
        if named:
            # A narrower choice of providers takes the place of a wider one.
            found = {name: found[name] for name in named if name in found}
            inherited = named
        for name in inherited:
            if each.disabled:
                found.pop(name, None)
            else:
                found[name] = each.filter.expression if each.filter is not None else ""
    return found


def _telemetries(mesh: Mesh, pod: Pod) -> Iterator[Telemetry]:
    """Yield the mesh's, the namespace's and the workload's own, the oldest of each."""
    found = sorted(mesh.manifests.of("Telemetry"), key=age)
    root = mesh.config.root_namespace
    wide = [each for each in found if not _labels(each) and not _targeted(each)]
    for home in dict.fromkeys((root, pod.namespace)):
        yield from [each.spec for each in wide if each.namespace == home][:1]
    own = [
        each.spec
        for each in found
        if each.namespace == pod.namespace and each not in wide and holds(each, pod)
    ]
    yield from own[:1]


def _labels(source: Object) -> Mapping[str, str]:
    selector = source.spec.selector
    return dict(selector.match_labels) if selector is not None else {}


def _targeted(source: Object) -> bool:
    return bool(source.spec.target_refs) or source.spec.target_ref is not None


def _default_providers(config: MeshConfig) -> tuple[str, ...]:
    return tuple(config.default_providers.get("accessLogging") or ())


def _provider(config: MeshConfig, name: str) -> EnvoyFileAccessLog | None:
    """Return a provider of files; None for another kind of log, or for one that is unknown."""
    given = next((each for each in config.extension_providers if each.name == name), None)
    file = given.envoy_file_access_log if given is not None else None
    if name == _BUILT_IN and (given is None or file is not None):
        file = file or EnvoyFileAccessLog()
        if file.log_format is None and not file.omit_empty_values:
            return _of_mesh(config, file.path or _STDOUT)
    return file


def _of_mesh(config: MeshConfig, path: str) -> EnvoyFileAccessLog:
    """Return the log that the mesh's own fields describe."""
    form = LogFormat(text=config.access_log_format)
    if config.access_log_encoding == "JSON":
        form = LogFormat(labels=_object(config.access_log_format))
    return EnvoyFileAccessLog(path=path, log_format=form)


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object of a text; what is none leaves the default format."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(log: _Log, wanted: dict[str, Any] | None) -> dict[str, Any]:
    file = log.file
    form = file.log_format
    written: dict[str, Any] = {}
    if form is not None and form.labels is not None:
        fields = message("google.protobuf.Struct")()
        fields.update(form.labels or _JSON)
        written = {"json_format": fields, "json_format_options": {"sort_properties": False}}
        used = str(fields)
    else:
        text = (form.text if form is not None else "") or _TEXT
        used = text if text.endswith("\n") else f"{text}\n"
        written = {"text_format_source": {"inline_string": used}}
    if "%REQ_WITHOUT_QUERY" in used:
        formatter = {
            "name": "envoy.formatter.req_without_query",
            "typed_config": pack(message(_WITHOUT_QUERY)()),
        }
        written["formatters"] = [formatter]
    if file.omit_empty_values:
        written["omit_empty_values"] = True
    config = message(_FILE)(path=file.path or _STDOUT, log_format=written)
    found = {"name": "envoy.access_loggers.file", "typed_config": pack(config)}
    return {**found, "filter": wanted} if wanted else found


def _expression(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    config = message(_CEL)(expression=text)
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": pack(config),
        }
    }
