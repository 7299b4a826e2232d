"""Rows about the servers of Gateways."""

from __future__ import annotations

import json
from typing import Any

from simulator.config.istio import Server
from simulator.config.load import load_texts
from simulator.istiod.protocol import Protocol
from simulator.istiod.registry import Mesh, Pod
from simulator.istiod.servers import Served, opening

Row = dict[str, Any]
_NOWHERE: Any = None


def _served(row: Row) -> Served:
    server = Server.model_validate({"hosts": ["*"], **row["server"]})
    return Served(gateway=_NOWHERE, server=server, at="", port=server.port.number)


def _tls(row: Row) -> tuple[object, object]:
    return not _served(row).plain, row["expected"]


def _http(row: Row) -> tuple[object, object]:
    return _served(row).http, row["expected"]


def _https_ended(row: Row) -> tuple[object, object]:
    served = _served(row)
    return served.http and served.protocol is Protocol.HTTPS, row["expected"]


def _passed(row: Row) -> tuple[object, object]:
    return _served(row).passes_tls, row["expected"]


def _tcp_ended(row: Row) -> tuple[object, object]:
    served = _served(row)
    ends = served.server.tls is not None and not served.passes_tls and not served.http
    return ends, row["expected"]


def _merged(row: Row) -> tuple[object, object]:
    texts = [
        json.dumps(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "Gateway",
                "metadata": {
                    "name": each["name"],
                    "namespace": each["namespace"],
                    # They are given oldest first.
                    "creationTimestamp": f"2026-01-01T00:00:{at:02}Z",
                },
                "spec": each["spec"],
            }
        )
        for at, each in enumerate(row["gwConfig"])
    ]
    mesh = Mesh.as_written(load_texts([(f"{at}.yaml", text) for at, text in enumerate(texts)]))
    found = opening(mesh, _POD)
    got = {
        "mergedServersNum": len(found.opened),
        "serverNum": sum(len(each.servers) for each in found.opened.values()),
        "serversForRouteNum": {name: len(each) for name, each in found.by_route().items()},
    }
    return got, {name: row[name] for name in got}


_POD = Pod(
    name="gateway",
    namespace="istio-system",
    ip="192.0.2.1",
    labels={"istio": "ingressgateway"},
    service_account="default",
    deployment="gateway.istio-system",
    version="",
    ports=(),
    sidecar=False,
    gateway=True,
)

CHECKS = {
    "TestIsTLSServer": _tls,
    "TestIsHTTPServer": _http,
    "TestIsHTTPSServerWithTLSTermination": _https_ended,
    "TestIsPassThroughServer": _passed,
    "TestIsTCPServerWithTLSTermination": _tcp_ended,
    "TestMergeGateways": _merged,
}
