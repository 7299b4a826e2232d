"""Istio's own end-to-end calls between echo services, sent into the simulated mesh."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import yaml

from simulator.config.load import load_texts
from simulator.config.scenario import Request, ScenarioFile
from simulator.observe.observation import Observation
from simulator.scenario import Scenario
from tests.conformance.table import Case, Table

_NAMESPACE = "echo"
_GATEWAY = "istio-ingressgateway.istio-system"
_SERVICES = ("a", "b", "c", "headless", "statefulset", "naked", "vm", "tproxy", "sotw")
_BARE = frozenset({"naked"})
_HEADLESS = frozenset({"headless", "statefulset"})
_SPOKEN = {
    "https": "https",
    "auto-https": "https",
    "tcp-server": "tcp-server-first",
    "auto-tcp-server": "tcp-server-first",
    "http-instance": {"binds": "pod"},
    "http-localhost": {"binds": "localhost"},
}
"""What the echo servers do at ports where they do not speak plain HTTP at every address."""
_MOVES = frozenset({301, 302, 303, 307, 308})
_MANY = 5
"""Redirects that are followed at most."""


def cases(table: Table) -> Iterator[Case]:
    """Yield one case a call."""
    ports = table.data["ports"]
    # The keys that the policies' tokens are signed with stand beside the other cases.
    beside = table.folder.parent / "integration_security" / "jwks.json"
    keys = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    for at, one in enumerate(table.data["cases"]):
        config = (one.get("config") or "").replace("jwks: ''", f"jwks: {json.dumps(keys)}")
        scenario = cache(partial(_scenario, ports, config))
        for number, call in enumerate(one["calls"]):
            yield Case(
                id=f"#{at}.{number} {one['group']}: {one['name']} {call['name']}".rstrip(),
                data={**one, "calls": [call]},
                check=partial(_check, scenario, ports, one, call),
            )


def _scenario(ports: Mapping[str, Any], config: str) -> Scenario:
    objects = [*_mesh(ports), *(_placed(each) for each in yaml.safe_load_all(config) if each)]
    texts = [(f"{at}.yaml", json.dumps(each)) for at, each in enumerate(objects)]
    spoken = {each["workload"]: _SPOKEN.get(name, "http") for name, each in ports.items()}
    workloads = {f"{name}.{_NAMESPACE}": {"ports": spoken} for name in _SERVICES}
    return Scenario.of(load_texts(texts), ScenarioFile.model_validate({"workloads": workloads}))


def _placed(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": _NAMESPACE, **manifest.get("metadata", {})}
    return {**manifest, "metadata": metadata}


def _mesh(ports: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    labels = {"istio-injection": "enabled"}
    yield {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": _NAMESPACE, "labels": labels},
    }
    for name in _SERVICES:
        headless = name in _HEADLESS
        metadata = {"name": name, "namespace": _NAMESPACE}
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                **({"clusterIP": "None"} if headless else {}),
                "selector": {"app": name},
                "ports": [
                    {
                        "name": port,
                        # A headless service has no port but its workload's.
                        "port": each["workload" if headless else "service"],
                        "targetPort": each["workload"],
                    }
                    for port, each in ports.items()
                ],
            },
        }
        inject = str(name not in _BARE).lower()
        marks = {"app": name, "version": "v1", "sidecar.istio.io/inject": inject}
        opened = [{"containerPort": each["workload"]} for each in ports.values()]
        yield {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": marks},
                    "spec": {"containers": [{"name": "app", "ports": opened}]},
                },
            },
        }


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back, the last redirect followed."""

    seen: Observation
    request: Request

    @property
    def headers(self) -> Mapping[str, str]:
        """Return what the workload saw."""
        hops = self.seen.hops
        return (hops[-1].request_headers_upstream if hops else None) or {}


def _check(
    scenario: Any, ports: Mapping[str, Any], one: Mapping[str, Any], call: Mapping[str, Any]
) -> str | None:
    request = _request(ports, one, call)
    return _judged(_send(scenario(), request, call), call["expect"])


def _request(ports: Mapping[str, Any], one: Mapping[str, Any], call: Mapping[str, Any]) -> Request:
    given = call["call"]
    if given.get("Scheme") == "dns":
        return _query(given["Address"], call.get("from") or one.get("from") or "a")
    http = given.get("HTTP") or {}
    headers = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in (dict(http.get("Headers") or {})).items()
    }
    sender = call.get("from") or one.get("from") or "a"
    outside = not sender.isalnum() or sender == "ingressgateway"
    to = given.get("To") or one.get("to") or ""
    host = given.get("Address") or (f"{to}.{_NAMESPACE}.svc.cluster.local" if outside else to)
    asked = given.get("Port") or {}
    secure = asked.get("Protocol") == "HTTPS" if outside else asked.get("Name") == "https"
    port = (443 if secure else 80) if outside else _port(ports, given, to)
    protocol = given.get("Scheme") or ("http2" if http.get("HTTP2") else "http1")
    scheme = "tcp" if protocol == "tcp" else "https" if secure else "http"
    tls = given.get("TLS") or {}
    silent = "server" in ((given.get("Port") or {}).get("Name") or "")
    return Request.model_validate(
        {
            "url": f"{scheme}://{host}:{port}{http.get('Path') or '/'}",
            "tls": {
                "sni": tls.get("ServerName") or host,
                # The echo client offers what it is told to, and else what HTTP needs.
                "alpn": tuple(tls["Alpn"]) if tls.get("Alpn") else None,
            }
            if secure
            else None,
            "body": "" if silent else "hello",
            "from": "outside" if outside else f"{sender}.{_NAMESPACE}",
            "via": _GATEWAY if outside else None,
            "method": http.get("Method") or "GET",
            "headers": headers,
            "protocol": {"http": "http1", "https": "http1"}.get(protocol, protocol),
        }
    )


def _query(address: str, sender: str) -> Request:
    name, _, options = address.partition("?")
    server = parse_qs(options).get("server", [""])[0]
    wanted = {"url": f"dns://{server}/{name}", "protocol": "dns", "from": f"{sender}.{_NAMESPACE}"}
    return Request.model_validate(wanted)


def _port(ports: Mapping[str, Any], given: Mapping[str, Any], to: str) -> int:
    port = given.get("Port") or {}
    known = ports.get(port.get("Name") or "", {})
    if to in _HEADLESS:
        return int(known["workload"])
    return int(port.get("ServicePort") or known["service"])


def _send(scenario: Scenario, request: Request, call: Mapping[str, Any]) -> _Answer:
    (seen,) = scenario.probe([request])
    follows = (call["call"].get("HTTP") or {}).get("FollowRedirects")
    for _ in range(_MANY):
        location = (seen.response_headers or {}).get("location")
        if not follows or seen.status not in _MOVES or location is None:
            break
        request = request.model_copy(update={"url": urljoin(request.url, location)})
        (seen,) = scenario.probe([request])
    return _Answer(seen, request)


def _judged(answer: _Answer, expect: Mapping[str, Any]) -> str | None:
    for each in expect.get("and", ()):
        if (reason := _judged(answer, each)) is not None:
            return reason
    if "check" not in expect:
        return None
    check = _CHECKS.get(expect["check"])
    if check is None:
        return f"{expect['check']} is not judged"
    if check(answer, *expect["args"]):
        return None
    seen = answer.seen
    facts = f"{seen.status} {seen.error} {seen.details} {answer.headers}"
    return f"{expect['check']} {expect['args']}: {facts}"


def _mtls(answer: _Answer) -> bool:
    hops = answer.seen.hops
    return bool(hops) and hops[-1].tls is not None and hops[-1].tls.mtls


def _url(answer: _Answer, want: str) -> bool:
    parts = urlsplit(answer.request.url)
    path = answer.headers.get(":path") or parts.path + (f"?{parts.query}" if parts.query else "")
    return path == want


_CHECKS: Mapping[str, Any] = {
    # An answer in plain bytes has no status.
    "OK": lambda answer: answer.seen.error is None and answer.seen.status in (200, None),
    "Status": lambda answer, want: answer.seen.status == want,
    "NotOK": lambda answer: answer.seen.error is not None or answer.seen.status not in (200, None),
    "Error": lambda answer: answer.seen.error is not None,
    "Host": lambda answer, want: answer.headers.get(":authority") == want,
    "RequestHeader": lambda answer, name, want: answer.headers.get(name.lower(), "") == want,
    "ResponseHeader": lambda answer, name, want: (
        (answer.seen.response_headers or {}).get(name.lower(), "") == want
    ),
    "URL": _url,
    "Protocol": lambda answer, want: answer.seen.hops[-1].protocol == want.removesuffix(".0"),
    "MTLSForHTTP": _mtls,
}
"""Istio's echo checkers, by name."""
