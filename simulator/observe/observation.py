"""One request as its sender, and every proxy on its way, saw it.

Both planes report this record, so that they can be compared field by field. A
field that a plane cannot know is absent (`None` here, left out in JSON), never
invented. Published as `schemas/observation.v1.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from simulator.observe.explain import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The endpoint that the last attempt went to."""

    address: str | None = None
    """`ip:port` as the mesh names it (the pod's address, in both planes)."""
    pod: str | None = None
    """`POD.NAMESPACE`"""
    workload: str | None = None
    """`DEPLOYMENT.NAMESPACE`"""
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a connection between two proxies was secured: to the upstream, or where a request
    comes in to its workload, from the client."""

    mtls: bool = False
    client_spiffe: str | None = None
    server_spiffe: str | None = None


def tls_of(client: str | None, server: str | None) -> Tls:
    """Return what two identities make of a connection; it is mutual where both are known."""
    return Tls(
        mtls=client is not None and server is not None, client_spiffe=client, server_spiffe=server
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a proxy writes."""

    sink: str
    """Into which file: a path, such as `/dev/stdout`."""
    text: str
    """As it is written, its end included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """What one proxy did with a request; hops are ordered by when the proxy received it."""

    proxy: str
    """`POD.NAMESPACE`"""
    direction: str
    """`outbound`, `inbound` or `gateway`"""
    status: int | None = None
    response_flags: tuple[str, ...] = ()
    """Envoy's short flags, such as `UT`."""
    details: str | None = None
    """Envoy's response code details, such as `via_upstream`."""
    protocol: str | None = None
    route: str | None = None
    virtual_host: str | None = None
    cluster: str | None = None
    upstream: Upstream | None = None
    attempts: int | None = None
    """How often the request was sent upstream; 0 when it never was."""
    duration_ns: int | None = None
    request_headers_upstream: Mapping[str, str] | None = None
    """Lower-case names; several values are joined with `,`."""
    tls: Tls | None = None
    logged: tuple[LogLine, ...] | None = None
    """What its access logs say of the request; absent where it keeps none (simulator only)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One request sent. `status`, `response_headers`, `duration_ns` and `error` are the
    client's; the other fields of a `Hop` repeat `hops[0]`."""

    id: str
    """The request's id in the request file, or `request-N` by its place, from 1."""
    n: int
    """The repetition, from 0 to `count` - 1."""
    status: int | None = None
    """Absent when no response arrived; then `error` says why."""
    response_flags: tuple[str, ...] = ()
    details: str | None = None
    protocol: str | None = None
    route: str | None = None
    virtual_host: str | None = None
    cluster: str | None = None
    upstream: Upstream | None = None
    attempts: int | None = None
    duration_ns: int | None = None
    request_headers_upstream: Mapping[str, str] | None = None
    response_headers: Mapping[str, str] | None = None
    body: str | None = None
    """The response's body, at most its first 4,096 characters."""
    tls: Tls | None = None
    error: str | None = None
    hops: tuple[Hop, ...] = ()
    explain: Node | None = None
    """Simulator only, when asked for."""


def to_json(value: Any) -> Any:  # noqa: ANN401 - any record of this package
    """Return a record as JSON values: absent fields left out, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: to_json(inner) for name, inner in pairs if inner is not None}
    if isinstance(value, Mapping):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    return value


def of_hops(
    hops: tuple[Hop, ...],
    *,
    id: str,  # noqa: A002 - the field's name
    n: int,
    status: int | None,
    duration_ns: int | None,
    response_headers: Mapping[str, str] | None = None,
    body: str | None = None,
    error: str | None = None,
    explain: Node | None = None,
) -> Observation:
    """Return the observation of a request: the client's view, completed from its first hop."""
    first = hops[0] if hops else Hop(proxy="", direction="")
    return Observation(
        id=id,
        n=n,
        status=status,
        response_flags=first.response_flags,
        details=first.details,
        protocol=first.protocol,
        route=first.route,
        virtual_host=first.virtual_host,
        cluster=first.cluster,
        upstream=first.upstream,
        attempts=first.attempts,
        duration_ns=duration_ns,
        request_headers_upstream=first.request_headers_upstream,
        response_headers=response_headers,
        body=body,
        tls=first.tls,
        error=error,
        hops=hops,
        explain=explain,
    )
