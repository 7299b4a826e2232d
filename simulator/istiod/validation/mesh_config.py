"""The configuration of the whole mesh and of its proxies.

Follows   istio pkg/config/validation/agent/validation.go (ValidateMeshConfig,
          ValidateMeshConfigProxyConfig, ValidateMeshNetworks)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.config.istio import HTTPRetry, MeshConfig
from simulator.config.model import parse_duration
from simulator.istiod.validation import syntax
from simulator.istiod.validation.fault import Fault, Faults, fault
from simulator.istiod.validation.http_route import retry
from simulator.istiod.validation.locality import locality

_LONGEST_CONNECT_NS = 3_600_000_000_000
_SECOND_NS = 1_000_000_000
_ADDRESSES = (
    ("statsdUdpAddress",),
    ("envoyMetricsServiceAddress",),
    ("envoyMetricsService", "address"),
    ("envoyAccessLogService", "address"),
)
_TRACERS = ("zipkin", "datadog", "lightstep")
_OWN_HOST = "$(HOST_IP)"


def mesh_config(spec: MeshConfig) -> Faults:
    """Check a MeshConfig; paths are below it."""
    yield from fault("connectTimeout", syntax.duration(spec.connect_timeout_ns))
    if spec.connect_timeout_ns > _LONGEST_CONNECT_NS:
        yield Fault("connectTimeout", "it is 1h or less")
    # 0s switches detection off.
    detection = syntax.duration(spec.protocol_detection_timeout_ns or None)
    yield from fault("protocolDetectionTimeout", detection)
    yield from fault("trustDomain", syntax.trust_domain(spec.trust_domain))
    for at, each in enumerate(spec.trust_domain_aliases):
        yield from fault(f"trustDomainAliases[{at}]", syntax.trust_domain(each))
    yield from locality(spec.locality_lb_setting, None, "localityLbSetting")
    yield from retry(spec.default_http_retry_policy, "defaultHttpRetryPolicy")
    inbound = spec.default_inbound_http_retry_policy
    yield from inbound_retry(inbound, "defaultInboundHttpRetryPolicy")


def inbound_retry(policy: HTTPRetry | None, at: str) -> Faults:
    """Check retries on the way to the workload; not all of a policy counts there."""
    if policy is None:
        return
    yield from retry(policy, at)
    ignored = (
        ("per_try_timeout_ns", "perTryTimeout"),
        ("retry_ignore_previous_hosts", "retryIgnorePreviousHosts"),
        ("retry_remote_localities", "retryRemoteLocalities"),
    )
    for name, field in ignored:
        if getattr(policy, name) is not None:
            yield Fault(f"{at}.{field}", "it has no effect on inbound requests", warning=True)


def proxy_config(read: Mapping[str, Any]) -> Faults:
    """Check a `defaultConfig` with everything in it."""
    for name in ("configPath", "binaryPath", "discoveryAddress"):
        if not read.get(name):
            yield Fault(name, "it may not be empty")
    if not read.get("serviceCluster") and "tracingServiceName" not in read:
        yield Fault("serviceCluster", "it may not be empty")
    yield from fault("drainDuration", _drain(str(read.get("drainDuration", ""))))
    if read.get("discoveryAddress"):
        yield from fault("discoveryAddress", syntax.host_and_port(str(read["discoveryAddress"])))
    for path in _ADDRESSES:
        value: Any = read
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value:
            yield from fault(".".join(path), syntax.host_and_port(str(value)))
    for name in ("proxyAdminPort", "statusPort"):
        number = read.get(name, 0)
        problem = syntax.port(number) if isinstance(number, int) else f"{number} is no port"
        yield from fault(name, problem)
    if read.get("controlPlaneAuthPolicy", "NONE") not in {"NONE", "MUTUAL_TLS"}:
        yield Fault("controlPlaneAuthPolicy", "it is NONE or MUTUAL_TLS")
    yield from _tracing(read.get("tracing"))
    yield from _key_provider(read.get("privateKeyProvider"))


def _drain(text: str) -> str | None:
    try:
        found_ns = parse_duration(text)
    except ValueError:
        return f"'{text}' is no duration"
    if found_ns % _SECOND_NS:
        return "it is a whole number of seconds"
    return syntax.duration(found_ns)


def _tracing(tracing: object) -> Faults:
    if not isinstance(tracing, Mapping):
        return
    for name in _TRACERS:
        tracer = tracing.get(name)
        if not isinstance(tracer, Mapping):
            continue
        place = f"tracing.{name}"
        address = str(tracer.get("address") or "").replace(_OWN_HOST, "127.0.0.1")
        yield from fault(f"{place}.address", syntax.host_and_port(address))
        if name == "lightstep" and not tracer.get("accessToken"):
            yield Fault(f"{place}.accessToken", "it may not be empty")
    tags = tracing.get("customTags")
    for name, tag in tags.items() if isinstance(tags, Mapping) else ():
        if tag is None:
            yield Fault(f"tracing.customTags.{name}", "a tag needs a value")


def _key_provider(provider: object) -> Faults:
    if provider is None:
        return
    kinds = ("cryptomb", "qat")
    found = [each for each in kinds if isinstance(provider, Mapping) and each in provider]
    if not found:
        yield Fault("privateKeyProvider", f"it is one of {' and '.join(kinds)}")
    for name in found:
        assert isinstance(provider, Mapping)
        settings = provider[name]
        delay = settings.get("pollDelay") if isinstance(settings, Mapping) else None
        if not delay or _zero(str(delay)):
            yield Fault(f"privateKeyProvider.{name}.pollDelay", "it is more than 0")


def _zero(text: str) -> bool:
    try:
        return parse_duration(text) == 0
    except ValueError:
        return True


def mesh_networks(read: Mapping[str, Any]) -> Faults:
    """Check the networks of a mesh, as written in the ConfigMap's `meshNetworks`."""
    networks = read.get("networks")
    for name, network in networks.items() if isinstance(networks, Mapping) else ():
        if not isinstance(network, Mapping):
            continue
        for at, endpoint in enumerate(network.get("endpoints") or ()):
            place = f"networks.{name}.endpoints[{at}]"
            if "fromCidr" in endpoint:
                yield from fault(f"{place}.fromCidr", syntax.subnet(str(endpoint["fromCidr"])))
            if "fromRegistry" in endpoint:
                registry = syntax.label(str(endpoint["fromRegistry"]))
                yield from fault(f"{place}.fromRegistry", registry)
        for at, gateway in enumerate(network.get("gateways") or ()):
            place = f"networks.{name}.gateways[{at}]"
            if "registryServiceName" in gateway:
                host = syntax.domain(str(gateway["registryServiceName"]))
                yield from fault(f"{place}.registryServiceName", host)
            address = str(gateway.get("address", ""))
            if address and not syntax.is_address(address):
                yield from fault(f"{place}.address", syntax.domain(address))
            port = gateway.get("port", 0)
            yield from fault(f"{place}.port", syntax.port(port if isinstance(port, int) else 0))
