"""Which headers an observation shows: those that mean the same in both planes."""

from __future__ import annotations

from collections.abc import Iterable

VOLATILE = frozenset(
    {
        ":scheme",
        "accept",
        "accept-encoding",
        "b3",
        "connection",
        "content-length",
        "date",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-spanid",
        "x-b3-traceid",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-external-address",
        "x-envoy-internal",
        "x-envoy-decorator-operation",
        "x-envoy-peer-metadata",
        "x-envoy-peer-metadata-id",
        "x-envoy-upstream-service-time",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
    }
)
"""Headers that a client library, a proxy's identity or the moment decides."""


def shown(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers that are shown, by name; several values are joined with `,`."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name not in VOLATILE:
            found[name] = f"{found[name]},{value}" if name in found else value
    return found
