"""Istio's own expectations of what its webhook refuses and warns of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from simulator.config import istio
from simulator.config.nodes import Mapped, Positions
from simulator.config.objects import Object
from simulator.istiod.analysis import unreachable
from simulator.istiod.validation import (
    admission,
    client_tls,
    gateway,
    http_route,
    locality,
    mesh_config,
    reach,
    route,
    server_tls,
    syntax,
    traffic_policy,
)
from simulator.istiod.validation.fault import Fault, fault
from tests.conformance.table import Case, Table

_Model = TypeVar("_Model", bound=BaseModel)
Judge = Callable[[Mapping[str, Any]], list[Fault]]


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a row."""
    for group in table.data["tables"]:
        judge = _JUDGES.get(group["test"])
        for at, row in enumerate(group["cases"]):
            name = f"{group['test']} {row.get('name', '')} #{at}"
            yield Case(id=name, data=row, check=partial(_check, row, judge, group["test"]))


def _check(row: dict[str, Any], judge: Judge | None, test: str) -> str | None:
    if judge is None:
        return f"nothing here answers {test}"
    try:
        found = judge(row)
    except ValidationError as error:
        first = error.errors()[0]
        found = [Fault(".".join(map(str, first["loc"])), first["msg"])]
    errors = [each for each in found if not each.warning]
    warnings = [each for each in found if each.warning]
    if _valid(row) != (not errors):
        return f"expected valid={_valid(row)}, got {errors}"
    warned = _warned(row)
    # A refused object's warnings are never seen.
    if warned is not None and not errors and warned != bool(warnings):
        return f"expected warning={warned}, got {warnings}"
    return None


def _valid(row: Mapping[str, Any]) -> bool:
    for key in ("valid", "isValid", "ok"):
        if key in row:
            return bool(row[key])
    for key in ("wantErr", "err"):
        if key in row:
            return not row[key]
    return not row["out"] if "out" in row else not row.get("expected")


def _warned(row: Mapping[str, Any]) -> bool | None:
    for key in ("warning", "warn", "isWarn", "wantWarn"):
        if key in row:
            return bool(row[key])
    return None


def _read(model: type[_Model], value: Any) -> _Model:
    return model.model_validate(value or {}, by_alias=True, by_name=False)


def _object(kind: str, group: str, model: type[BaseModel], at: str = "in") -> Judge:
    def judge(row: Mapping[str, Any]) -> list[Fault]:
        source = Object(
            kind=kind,
            api_version=f"{group}/v1",
            name="foo",
            namespace="bar",
            annotations=row.get("annotations") or {},
            spec=_read(model, _without_issuer(row[at])),
            index=0,
            positions=Positions("", Mapped(line=1, column=1)),
        )
        found = list(admission.faults(source))
        if kind == "VirtualService":
            shadowed = unreachable.shadowed_rules(source)
            found += [Fault(each.field, each.message, warning=True) for each in shadowed]
        return found

    return judge


def _without_issuer(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out an issuer without text: there it is none, while the schema refuses it."""
    rules = [
        {name: value for name, value in rule.items() if name != "issuer" or value}
        for rule in spec.get("jwtRules") or ()
    ]
    return {**spec, "jwtRules": rules} if rules else spec


def _part(model: type[_Model], check: Callable[..., Iterator[Fault]], at: str = "in") -> Judge:
    return lambda row: list(check(_read(model, row.get(at)), "spec"))


def _text(check: Callable[[str], str | None], at: str) -> Judge:
    return lambda row: list(fault("", check(row.get(at, ""))))


def _http_route(row: Mapping[str, Any], *, delegate: bool = False) -> list[Fault]:
    written = dict(row["route"])
    if "match" in written:
        written["match"] = [each for each in written["match"] if each is not None]
    return list(http_route.http_route(_read(istio.HTTPRoute, written), "", delegate=delegate))


def _destinations(row: Mapping[str, Any]) -> list[Fault]:
    read = [_read(istio.RouteDestination, each) for each in row["routes"]]
    return list(route.destinations(read, "spec.route"))


def _server_port(row: Mapping[str, Any]) -> list[Fault]:
    return list(gateway.server_port(_read(istio.Port, row["in"]), row["bind"], "spec.port"))


def _tls(row: Mapping[str, Any]) -> list[Fault]:
    written = dict(row["in"])
    certificates = written.get("tlsCertificates") or ()
    # The schema allows two; what the webhook says of more is only told of here.
    if certificates:
        written["tlsCertificates"] = certificates[:2]
    read = _read(istio.ServerTLSSettings, written)
    more = tuple(_read(istio.TLSCertificate, each) for each in certificates)
    return list(server_tls.server_tls(read.model_copy(update={"tls_certificates": more}), ""))


def _export_to(row: Mapping[str, Any]) -> list[Fault]:
    return list(
        reach.export_to(
            tuple(row.get("exportTo") or ()),
            row["namespace"],
            nobody=row["isServiceEntry"],
            selects=row["isDestinationRuleWithSelector"],
        )
    )


def _load_balancer(row: Mapping[str, Any]) -> list[Fault]:
    read = _read(istio.LoadBalancerSettings, row["in"])
    return list(traffic_policy.load_balancer(read, None, ""))


def _locality(row: Mapping[str, Any]) -> list[Fault]:
    outlier = _read(istio.OutlierDetection, row["outlier"]) if "outlier" in row else None
    read = _read(istio.LocalityLbSetting, row.get("in"))
    return list(locality.locality(read, outlier, ""))


def _zone_aware(row: Mapping[str, Any]) -> list[Fault]:
    outlier = _read(istio.OutlierDetection, row["outlier"]) if "outlier" in row else None
    read = _read(istio.ZoneAwareLbSetting, row.get("in"))
    return list(locality.zone_aware(read, outlier, ""))


def _inbound_retry(row: Mapping[str, Any]) -> list[Fault]:
    read = _read(istio.HTTPRetry, row["retry"]) if "retry" in row else None
    return list(mesh_config.inbound_retry(read, ""))


def _gateway_host(row: Mapping[str, Any]) -> list[Fault]:
    return list(fault("", syntax.gateway_host(row["in"], sni=row["sni"])))


def _hosts(row: Mapping[str, Any]) -> list[Fault]:
    return [found for each in row["hosts"] for found in fault("", syntax.wildcard_domain(each))]


def _header_value(row: Mapping[str, Any]) -> list[Fault]:
    return list(fault("", syntax.header_value(row["input"])))


_NETWORKING = "networking.istio.io"
_SECURITY = "security.istio.io"
_JUDGES: dict[str, Judge] = {
    "TestValidateGateway": _object("Gateway", _NETWORKING, istio.Gateway),
    "TestValidateServer": _part(istio.Server, gateway.server),
    "TestValidateServerPort": _server_port,
    "TestValidateTlsOptions": _tls,
    "TestStrictValidateHTTPHeaderName": _text(syntax.strict_header, "name"),
    "TestValidateHTTPHeaderName": _text(syntax.header, "name"),
    "TestValidateHTTPHeaderValue": _header_value,
    "TestValidateCORSPolicy": _part(istio.CorsPolicy, http_route.cors_policy),
    "TestValidateHTTPStatus": lambda row: list(fault("", http_route.status(row["in"]))),
    "TestValidateHTTPFaultInjectionAbort": lambda row: list(
        http_route.fault_injection(_read(istio.HTTPFaultInjection, {"abort": row["in"]}), "")
    ),
    "TestValidateHTTPFaultInjectionDelay": lambda row: list(
        http_route.fault_injection(_read(istio.HTTPFaultInjection, {"delay": row["in"]}), "")
    ),
    "TestValidateHTTPRetry": _part(istio.HTTPRetry, http_route.retry),
    "TestValidateHTTPRewrite": _part(istio.HTTPRewrite, http_route.rewrite),
    "TestValidateUriRegexRewrite": lambda row: list(
        http_route.rewrite(_read(istio.HTTPRewrite, {"uriRegexRewrite": row["in"]}), "")
    ),
    "TestValidatePortName": _text(syntax.label, "name"),
    "TestValidateHTTPRedirect": _part(istio.HTTPRedirect, http_route.redirect, "redirect"),
    "TestValidateHTTPDirectResponse": _part(
        istio.HTTPDirectResponse, http_route.direct_response, "directResponse"
    ),
    "TestValidateDestination": _part(istio.Destination, route.destination, "destination"),
    "TestValidateHTTPRoute": _http_route,
    "TestValidateRootHTTPRoute": _http_route,
    "TestValidateDelegateHTTPRoute": partial(_http_route, delegate=True),
    "TestValidateRouteDestination": _destinations,
    "TestValidateVirtualService": _object("VirtualService", _NETWORKING, istio.VirtualService),
    "TestValidateChainingVirtualService": _object(
        "VirtualService", _NETWORKING, istio.VirtualService
    ),
    "TestValidateWorkloadEntry": _object("WorkloadEntry", _NETWORKING, istio.WorkloadEntry),
    "TestValidateWorkloadGroup": _object("WorkloadGroup", _NETWORKING, istio.WorkloadGroup),
    "TestValidateDestinationRule": _object("DestinationRule", _NETWORKING, istio.DestinationRule),
    "TestValidateTrafficPolicy": _part(istio.TrafficPolicy, traffic_policy.traffic_policy),
    "TestValidateConnectionPool": _part(
        istio.ConnectionPoolSettings, traffic_policy.connection_pool
    ),
    "TestValidateLoadBalancer": _load_balancer,
    "TestValidateOutlierDetection": _part(istio.OutlierDetection, traffic_policy.outlier_detection),
    "TestValidateServiceEntries": _object("ServiceEntry", _NETWORKING, istio.ServiceEntry),
    "TestValidateAuthorizationPolicy": _object(
        "AuthorizationPolicy", _SECURITY, istio.AuthorizationPolicy
    ),
    "TestValidateSidecar": _object("Sidecar", _NETWORKING, istio.Sidecar),
    "TestValidateRequestAuthentication": _object(
        "RequestAuthentication", _SECURITY, istio.RequestAuthentication
    ),
    "TestValidatePeerAuthentication": _object(
        "PeerAuthentication", _SECURITY, istio.PeerAuthentication
    ),
    "Test_validateExportTo": _export_to,
    "TestValidateTelemetry": _object("Telemetry", "telemetry.istio.io", istio.Telemetry),
    "TestValidateProxyConfig": _object("ProxyConfig", _NETWORKING, istio.ProxyConfig),
    "TestValidateTelemetryFilter": lambda row: _object(
        "Telemetry", "telemetry.istio.io", istio.Telemetry
    )({"in": {"accessLogging": [{"filter": row["filter"]}]}}),
    "TestValidateWasmPlugin": _object("WasmPlugin", "extensions.istio.io", istio.WasmPlugin),
    "TestValidateTrafficExtension": _object(
        "TrafficExtension", "extensions.istio.io", istio.TrafficExtension
    ),
    "TestValidateFQDN": _text(syntax.domain, "fqdn"),
    "TestValidateControlPlaneAuthPolicy": lambda row: [
        each
        for each in mesh_config.proxy_config({"controlPlaneAuthPolicy": row["policy"]})
        if each.at == "controlPlaneAuthPolicy"
    ],
    "TestValidateMeshConfigProxyConfig": lambda row: list(mesh_config.proxy_config(row["in"])),
    "TestValidateTLS": _part(istio.ClientTLSSettings, client_tls.client_tls, "tls"),
    "TestValidateWildcardDomain": _text(syntax.wildcard_domain, "in"),
    "TestValidateWildcardDomainForVirtualServiceBoundToGateway": _gateway_host,
    "TestValidateTrustDomain": _text(syntax.trust_domain, "in"),
    "TestValidateMeshConfigDefaultInboundHTTPRetryPolicy": _inbound_retry,
    "TestValidateLocalityLbSetting": _locality,
    "TestValidateZoneAwareLbSetting": _zone_aware,
    "TestValidateLocalities": lambda row: list(fault("", locality.localities(row["localities"]))),
    "TestValidationIPAddress": _text(syntax.address, "addr"),
    "TestValidationIPSubnet": _text(syntax.subnet, "subnet"),
    "TestServiceSettings": _hosts,
    "TestValidateMeshNetworks": lambda row: list(mesh_config.mesh_networks(row["mn"])),
}
