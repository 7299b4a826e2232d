"""What policies ask beyond the proxy, as the mesh's configuration writes it.

Follows   istio.io/api mesh/v1alpha1/config.proto (ExtensionProvider)
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from simulator.config.kubernetes import Kubernetes
from simulator.config.model import Bool, Duration, Spec, Text, UInt32


class RequestBody(Spec):
    """How much of the body an authorizer gets to see."""

    max_request_bytes: UInt32 = 0
    allow_partial_message: Bool = False
    pack_as_bytes: Bool = False


class ExtAuthz(Spec):
    """An authorizer."""

    service: Text = ""
    """[NAMESPACE/]HOST of the registry."""
    port: UInt32 = 0
    timeout_ns: Duration | None = None
    fail_open: Bool = False
    clear_route_cache: Bool = False
    status_on_error: Text = ""
    include_request_body_in_check: RequestBody | None = None


class ExtAuthzGrpc(ExtAuthz):
    """An authorizer that is asked over gRPC."""


class ExtAuthzHttp(ExtAuthz):
    """An authorizer that is asked over HTTP."""

    path_prefix: Text = ""
    include_headers_in_check: tuple[Text, ...] = ()
    """Deprecated."""
    include_request_headers_in_check: tuple[Text, ...] = ()
    include_additional_headers_in_check: dict[str, Text] = Field(default_factory=dict)
    headers_to_upstream_on_allow: tuple[Text, ...] = ()
    headers_to_downstream_on_deny: tuple[Text, ...] = ()
    headers_to_downstream_on_allow: tuple[Text, ...] = ()


class LogFormat(Spec):
    """How a line of an access log is written: as text, or as JSON with these fields."""

    text: Text = ""
    labels: dict[str, Any] | None = None


class EnvoyFileAccessLog(Spec):
    """A file that access logs go to."""

    path: Text = ""
    log_format: LogFormat | None = None
    omit_empty_values: Bool = False


class ExtensionProvider(Kubernetes):
    """Something that policies or telemetry name; of what is not modelled, only the name counts."""

    also = (
        "datadog envoyHttpAls envoyOtelAls envoyTcpAls opencensus "
        "opentelemetry prometheus sds skywalking stackdriver zipkin"
    )

    name: Text = ""
    lightstep: dict[str, Any] | None = None
    """Gone; told of where it is still asked for."""
    envoy_file_access_log: EnvoyFileAccessLog | None = None
    envoy_ext_authz_http: ExtAuthzHttp | None = None
    envoy_ext_authz_grpc: ExtAuthzGrpc | None = None
