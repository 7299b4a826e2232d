"""Put the access logs of one request together: one hop for each proxy on its way.

Pure: lines in, hops out, addresses told as the mesh names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.drivers.addressing import Addressing
from simulator.istiod.registry import Mesh
from simulator.observe.headers import shown
from simulator.observe.observation import Hop, Tls, Upstream, tls_of

Line = Mapping[str, Any]
"""One line of a proxy's access log."""

_MILLISECOND_NS = 1_000_000


def hops(lines: Iterable[tuple[str, Line]], mesh: Mesh, addressing: Addressing) -> tuple[Hop, ...]:
    """Return the hops of one request from its lines, each with its proxy's `POD.NAMESPACE`.

    They are ordered by when the proxy received the request.
    """
    ordered = sorted(lines, key=lambda pair: int(pair[1]["start_ns"]))
    return tuple(_hop(proxy, line, mesh, addressing) for proxy, line in ordered)


def _hop(proxy: str, line: Line, mesh: Mesh, addressing: Addressing) -> Hop:
    flags = line["flags"]
    attempts = line["attempts"] or 0
    return Hop(
        proxy=proxy,
        direction=str(line["direction"]),
        status=line["status"] or None,  # 0: the client was gone before any answer
        response_flags=tuple(flags.split(",")) if flags not in (None, "-", "") else (),
        details=line["details"],
        protocol=line["protocol"],
        route=line["route"] or None,
        virtual_host=line["virtual_host"] or None,
        cluster=line["cluster"] or None,
        upstream=_upstream(line["upstream"], mesh, addressing),
        attempts=attempts,
        duration_ns=_duration(line),
        request_headers_upstream=shown(line["headers"].items()) if attempts else None,
        tls=_tls(line, attempts),
    )


def _tls(line: Line, attempts: int) -> Tls | None:
    if line["direction"] == "inbound":
        return tls_of(line["client_uri"], line["own_uri"])
    if not attempts or "UF" in (line["flags"] or ""):
        return None
    return tls_of(line["upstream_own_uri"], line["upstream_uri"])


def _upstream(address: str | None, mesh: Mesh, addressing: Addressing) -> Upstream | None:
    if not address:
        return None
    named = addressing.mesh_address(address)
    ip = named.rpartition(":")[0]
    for pod in mesh.pods:
        if pod.ip == ip:
            return Upstream(
                address=named, pod=pod.ref, workload=pod.deployment, version=pod.version or None
            )
    return Upstream(address=named)


def _duration(line: Line) -> int:
    if line["duration_ns"] is not None:
        return int(line["duration_ns"])
    return int(line["duration_ms"] or 0) * _MILLISECOND_NS


def complete(lines: Iterable[tuple[str, Line]], addressing: Addressing, proxies: set[str]) -> bool:
    """Say whether no hop is missing that an answered attempt of another one promises."""
    seen = list(lines)
    entered = {proxy for proxy, line in seen if line["direction"] != "outbound"}
    for _, line in seen:
        if (
            line["direction"] == "inbound"
            or not line["upstream"]
            or line["flags"] not in (None, "-")
        ):
            continue
        owner = addressing.owner(line["upstream"])
        if owner in proxies and owner not in entered:
            return False
    return True
