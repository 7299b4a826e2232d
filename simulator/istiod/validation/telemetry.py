"""Telemetries and ProxyConfigs.

Follows   istio pkg/config/validation/validation.go (ValidateTelemetry, ValidateProxyConfig)
"""

from __future__ import annotations

from simulator.config.istio import ProviderRef, ProxyConfig, Telemetry, Tracing
from simulator.config.objects import Object
from simulator.istiod.validation.fault import Fault, Faults
from simulator.istiod.validation.reach import selector, target


def telemetry(source: Object) -> Faults:
    """Check a Telemetry."""
    spec: Telemetry = source.spec
    yield from target(spec)
    if len(spec.tracing) > 1:
        yield Fault("spec.tracing[1]", "only the first one counts", warning=True)
    for at, tracing in enumerate(spec.tracing):
        yield from _tracing(tracing, f"spec.tracing[{at}]")
    for at, metrics in enumerate(spec.metrics):
        yield from _providers(metrics.providers, f"spec.metrics[{at}].providers")
        for index, override in enumerate(metrics.overrides):
            for name, tag in override.tag_overrides.items():
                place = f"spec.metrics[{at}].overrides[{index}].tagOverrides"
                if not name:
                    yield Fault(place, "a tag needs a name", warning=True)
                elif tag.operation == "UPSERT" and not tag.value:
                    yield Fault(f"{place}.{name}", "a tag that is set needs a value")
    for at, logging in enumerate(spec.access_logging):
        place = f"spec.accessLogging[{at}]"
        yield from _providers(logging.providers, f"{place}.providers")
        if logging.filter is not None and not _balanced(logging.filter.expression):
            yield Fault(f"{place}.filter.expression", "it is no CEL expression")


def _tracing(tracing: Tracing, at: str) -> Faults:
    if len(tracing.providers) > 1:
        problem = "multiple providers are not supported; only the first one counts"
        yield Fault(f"{at}.providers[1]", problem, warning=True)
    yield from _providers(tracing.providers, f"{at}.providers")
    if "" in tracing.custom_tags:
        yield Fault(f"{at}.customTags", "a tag needs a name")


def _providers(providers: tuple[ProviderRef, ...], at: str) -> Faults:
    for index, each in enumerate(providers):
        if not each.name:
            yield Fault(f"{at}[{index}].name", "a provider needs a name")


def _balanced(expression: str) -> bool:
    """Say whether brackets and quotes close, and nothing follows an operator into the void."""
    closing = {"(": ")", "[": "]", "{": "}"}
    open_: list[str] = []
    quote = ""
    skip = False
    for letter in expression:
        if skip:
            skip = False
        elif quote:
            skip = letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in closing:
            open_.append(closing[letter])
        elif letter in closing.values() and (not open_ or open_.pop() != letter):
            return False
    return not open_ and not quote and not expression.rstrip().endswith(tuple("=<>&|+-*/!."))


def proxy_config(source: Object) -> Faults:
    """Check a ProxyConfig."""
    spec: ProxyConfig = source.spec
    yield from selector(spec.selector, "spec.selector")
