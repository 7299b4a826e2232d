"""The cluster of one of Gateway API's own conformance tests, simulated, and its clients.

The suite's echo servers are played here: they answer as late, as badly and with such
headers as a request says. Secrets that the suite makes as it starts are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from simulator.config.load import load_texts
from simulator.config.objects import Manifests
from simulator.config.record import nanoseconds
from simulator.config.scenario import Request, ScenarioFile
from simulator.engine.exchange import Trace
from simulator.engine.network import Answer, Receiver, Sender
from simulator.engine.opening import PLAIN, Opening
from simulator.engine.probe import probe
from simulator.engine.resolve import OUTSIDE, Place
from simulator.engine.world import World
from simulator.envoy.commands import Reset, Response
from simulator.envoy.request import Request as Head
from simulator.istiod.gateway_api import Status
from simulator.istiod.registry import Pod
from simulator.observe.observation import Observation
from simulator.scenario import Scenario

_CLASS = "istio"
_MESH = "gateway-conformance-mesh"
_INFRA = "gateway-conformance-infra"
_PAIRS = {
    "gateway-conformance-web-backend": ("certificate",),
    "gateway-conformance-app-backend": ("tls-passthrough-checks-certificate",),
    _INFRA: (
        "tls-validity-checks-certificate",
        "tls-passthrough-checks-certificate",
        "tls-terminate-checks-certificate",
        "tls-checks-certificate",
        "tls-validity-checks-client-certificate",
    ),
}
_ROOTS = (
    "backend-tls-checks-certificate",
    "tls-checks-ca-certificate",
    "tls-validity-checks-ca-certificate",
    "tls-validity-checks-per-port-ca-certificate",
    "mesh-tls-checks-ca-certificate",
)


_OFFERED: Mapping[str, tuple[str, ...]] = {"http1": ("h2", "http/1.1"), "grpc": ("h2",), "tls": ()}
"""The ALPN of the suite's clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of one request: what the client saw, and every server that it reached."""

    observation: Observation
    served: tuple[tuple[Pod, Head], ...]

    @property
    def backends(self) -> list[str]:
        """Return the servers' pods; those of copies of the request too."""
        return [pod.ref for pod, _ in self.served]

    def at(self, backend: str, namespace: str) -> Head | None:
        """Return the request as a server saw it."""
        for pod, head in self.served:
            if pod.name.startswith(backend) and namespace in ("", pod.namespace):
                return head
        return None


class EchoWorld(World):
    """A mesh whose servers do what requests ask of them."""

    def __init__(self, scenario: Scenario, *, seed: int = 1) -> None:
        super().__init__(
            scenario.mesh, scenario.file, scenario.configuration, seed=seed, bodies=True
        )
        self.served: list[tuple[Pod, Head]] = []

    def work(
        self,
        pod: Pod,
        place: Place,
        request: Head,
        sender: Sender,
        trace: Trace,
        opening: Opening = PLAIN,  # noqa: ARG002 - the echo servers speak TLS as well
    ) -> Receiver | None:
        """Serve a request as its query and headers say."""
        self.served.append((pod, request))
        query = {
            name.strip('"'): values[0]
            for name, values in parse_qs(urlsplit(request.path).query).items()
        }
        failing = len(self.served) <= int(query.get("succeedAfter", 0))
        delay = query.get("delay") or (query.get("delayRetry") if failing else "")
        answer = sender
        wanted = request.first("x-echo-set-header")
        status = int(query.get("responseCode", 0)) if failing else 0
        if wanted or status:
            answer = _Altered(sender, status, wanted or "")
        after = nanoseconds(delay) if delay else 0
        if failing and not status:
            self.agenda.call_after(after, sender.answer, Reset.CONNECTION_TERMINATION)
        elif after:
            late = partial(super().work, pod, place, request, answer)
            self.agenda.call_after(after, late, trace)
        else:
            return super().work(pod, place, request, answer, trace)
        return _Gone()


class _Gone:
    def disconnect(self) -> None:
        """Nobody here minds."""


class _Altered:
    """Whoever changes a server's answer on its way."""

    def __init__(self, sender: Sender, status: int, headers: str) -> None:
        self._sender = sender
        self._status = status
        self._headers = headers
        self.span = sender.span
        self.request_id = ""

    def queued(self, waited_ns: int, /) -> None:
        """Pass it on."""
        self._sender.queued(waited_ns)

    def answer(self, answer: Answer, /) -> None:
        """Pass it on."""
        if isinstance(answer, Response):
            pairs = [one.partition(":") for one in self._headers.split(",") if one]
            added = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
            headers = (*answer.headers, *added)
            answer = replace(answer, status=self._status or answer.status, headers=headers)
        self._sender.answer(answer)


class Suite:
    """One test's cluster."""

    def __init__(self, folder: Path, test: Mapping[str, Any], *, without: str = "") -> None:
        self._folder = folder
        self._test = test
        self._without = without

    @cached_property
    def scenario(self) -> Scenario:
        """Return the mesh of the test."""
        base = "mesh" if self._test["suite"] == "mesh" else "base"
        texts = [("assumed.yaml", _assumed())]
        for name in (f"{base}/manifests.yaml", *self._test["manifests"]):
            path = self._folder / "manifests" / name
            text = path.read_text(encoding="utf-8").replace("{GATEWAY_CLASS_NAME}", _CLASS)
            texts.append((name, _injected(text) if base == "mesh" else text))
        manifests = load_texts(texts)
        kept = tuple(each for each in manifests.objects if reference_of(each) != self._without)
        # What the API server would refuse is not there.
        return Scenario(Manifests(objects=kept), ScenarioFile())

    def status(self, kind: str, reference: str) -> Status:
        """Return what istiod says of an object."""
        for each in self.scenario.mesh.statuses:
            if each.source.type == kind and reference_of(each.source) == reference.lstrip("/"):
                return each
        message = f"nothing is said of {kind} {reference}"
        raise LookupError(message)

    def gateway(self, reference: str) -> Any:
        """Return a Gateway as written."""
        for each in self.scenario.mesh.manifests.of("KubernetesGateway"):
            if reference_of(each) == reference:
                return each
        message = f"there is no Gateway {reference}"
        raise LookupError(message)

    def send(self, step: Mapping[str, Any], seed: int = 1) -> Seen:
        """Do what a step says."""
        request = step.get("request") or {}
        grpc = step["kind"] == "grpc" or request.get("protocol") == "grpc"
        protocol = "grpc" if grpc else "tcp" if step["kind"].startswith("tcp.") else "http1"
        headers = {**(request.get("metadata") or {}), **(request.get("headers") or {})}
        method = request.get("method") or "GET"
        path = request.get("path") or "/"
        host = request.get("host") or request.get("authority") or ""
        if step["kind"] == "grpc":
            path, method = f"/{request['service']}/{request['method']}", "POST"
        tls = step.get("tls")
        if tls:
            protocol = "http1" if "request" in step else "tls"
        source, via, port = OUTSIDE, None, None
        if "from" in step:
            source = self._pod(step["from"], step.get("from_namespace") or _MESH)
            host = host or "echo"
        else:
            place = step["to"]
            namespace, _, name = place["gateway"].partition("/")
            port = place.get("port") or self._port(place, tls=bool(tls))
            via = f"{name}-{_CLASS}.{namespace}"
            headers = {"host": host, **headers} if host else headers
        scheme = "tcp" if protocol in ("tcp", "tls") else "https" if tls else "http"
        url = f"{scheme}://{host or 'example.com'}{path}"
        if port is not None:
            address = host.partition(":")[0] or "gateway.example"
            url = f"{scheme}://{address}:{port}{path}"
        world = EchoWorld(self.scenario, seed=seed)
        wanted = Request.model_validate(
            {
                "from": source,
                "url": url,
                "via": via,
                "method": method,
                "headers": headers,
                "protocol": protocol,
                "body": "hello",
                "tls": tls and {"sni": tls["server_name"], "alpn": _OFFERED[protocol]},
            }
        )
        seen = probe(world, wanted, id="case", n=0)
        return Seen(observation=seen, served=tuple(world.served))

    def _port(self, place: Mapping[str, Any], *, tls: bool) -> int:
        listeners = self.gateway(place["gateway"]).spec.listeners
        named = [each.port for each in listeners if each.name in place.get("listeners", ())]
        if named:
            return int(named[0])
        secure = [each.port for each in listeners if each.protocol in ("HTTPS", "TLS")]
        return secure[0] if tls and secure else int(listeners[0].port)

    def _pod(self, selector: str, namespace: str) -> str:
        labels = dict(part.split("=") for part in selector.split(","))
        for pod in self.scenario.mesh.pods:
            if pod.namespace == namespace and labels.items() <= pod.labels.items():
                return pod.ref
        message = f"there is no pod {selector} in {namespace}"
        raise LookupError(message)


def reference_of(source: Any) -> str:
    cluster = source.type == "GatewayClass"
    return source.name if cluster else f"{source.namespace}/{source.name}"


def _injected(text: str) -> str:
    """Return the manifests with sidecars in every namespace of the mesh."""
    documents = [each for each in yaml.safe_load_all(text) if each]
    for each in documents:
        if each["kind"] == "Namespace":
            each["metadata"].setdefault("labels", {})["istio-injection"] = "enabled"
    return yaml.safe_dump_all(documents)


def _assumed() -> str:
    block = "-----BEGIN {0}-----\nMAA=\n-----END {0}-----\n"
    pair = {"tls.crt": block.format("CERTIFICATE"), "tls.key": block.format("RSA PRIVATE KEY")}
    documents = [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": _CLASS},
            "spec": {"controllerName": "istio.io/gateway-controller"},
        }
    ]
    for namespace, names in _PAIRS.items():
        documents += [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {"name": name, "namespace": namespace},
                "stringData": pair,
            }
            for name in names
        ]
    documents += [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": _INFRA},
            "data": {"ca.crt": block.format("CERTIFICATE")},
        }
        for name in _ROOTS
    ]
    return yaml.safe_dump_all(documents)
