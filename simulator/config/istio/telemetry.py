"""The Telemetry as written: what is traced, counted and logged.

Follows   istio.io/api telemetry/v1alpha1/telemetry.proto
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from simulator.config.istio.selector import PolicyTargetReference, TargetRefs, WorkloadMatcher
from simulator.config.model import Bool, LastingDuration, Spec, Text, only_one, refusal

WorkloadMode = Literal["CLIENT_AND_SERVER", "CLIENT", "SERVER"]
_Filled = Annotated[Text, Field(min_length=1)]


class ProviderRef(Spec):
    """A provider, by its name in the mesh's configuration."""

    name: _Filled


class ModeMatch(Spec):
    """The side of a call that a setting is for."""

    mode: WorkloadMode = "CLIENT_AND_SERVER"


class FixedValue(Spec):
    """A fixed value."""

    value: _Filled


class Environment(Spec):
    """A value from the proxy's environment."""

    name: _Filled
    default_value: Text = ""


class RequestHeader(Spec):
    """A value from a request's header."""

    name: _Filled
    default_value: Text = ""


class Formatter(Spec):
    """A value in the access log's format."""

    value: _Filled


class CustomTag(Spec):
    """One more tag of a span."""

    literal: FixedValue | None = None
    environment: Environment | None = None
    header: RequestHeader | None = None
    formatter: Formatter | None = None

    form = only_one("literal", "environment", "header", "formatter")


class Tracing(Spec):
    """Which requests leave spans, and what these say."""

    match: ModeMatch | None = None
    providers: tuple[ProviderRef, ...] = ()
    random_sampling_percentage: Annotated[float, Strict(), Field(ge=0, le=100)] | None = None
    disable_span_reporting: Bool | None = None
    disable_context_propagation: Bool | None = None
    custom_tags: dict[str, CustomTag] = Field(default_factory=dict)
    use_request_id_for_trace_sampling: Bool | None = None
    enable_istio_tags: Bool | None = None


class MetricSelector(Spec):
    """The metrics that an override is for."""

    metric: (
        Literal[
            "ALL_METRICS",
            "REQUEST_COUNT",
            "REQUEST_DURATION",
            "REQUEST_SIZE",
            "RESPONSE_SIZE",
            "TCP_OPENED_CONNECTIONS",
            "TCP_CLOSED_CONNECTIONS",
            "TCP_SENT_BYTES",
            "TCP_RECEIVED_BYTES",
            "GRPC_REQUEST_MESSAGES",
            "GRPC_RESPONSE_MESSAGES",
        ]
        | None
    ) = None
    custom_metric: Annotated[Text, Field(min_length=1)] | None = None
    mode: WorkloadMode = "CLIENT_AND_SERVER"

    one = only_one("metric", "custom_metric")


class TagOverride(Spec):
    """A tag that is set or removed."""

    operation: Literal["UPSERT", "REMOVE"] = "UPSERT"
    value: Text = ""

    @model_validator(mode="after")
    def _value_when_set(self) -> TagOverride:
        if self.operation == "REMOVE" and "value" in self.model_fields_set:
            raise refusal("a tag that is removed has no value", "value")
        if "operation" in self.model_fields_set and self.operation == "UPSERT" and not self.value:
            raise refusal("a tag that is set needs a value")
        return self


class MetricsOverrides(Spec):
    """How some metrics differ from what the provider makes of itself."""

    match: MetricSelector | None = None
    disabled: Bool | None = None
    tag_overrides: dict[str, TagOverride] = Field(default_factory=dict)


class Metrics(Spec):
    """Which metrics a provider gets."""

    providers: tuple[ProviderRef, ...] = ()
    overrides: tuple[MetricsOverrides, ...] = ()
    reporting_interval_ns: LastingDuration | None = None


class LogFilter(Spec):
    """A CEL expression; what it is false for is not logged."""

    expression: Text = ""


class AccessLogging(Spec):
    """Which requests are logged, and where."""

    match: ModeMatch | None = None
    providers: tuple[ProviderRef, ...] = ()
    disabled: Bool | None = None
    filter: LogFilter | None = None


class Telemetry(Spec):
    """What workloads report."""

    selector: WorkloadMatcher | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: TargetRefs = ()
    tracing: tuple[Tracing, ...] = ()
    metrics: tuple[Metrics, ...] = ()
    access_logging: tuple[AccessLogging, ...] = ()

    target = only_one("selector", "target_ref", "target_refs")
