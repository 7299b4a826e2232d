"""Gateway API's own conformance tests: statuses, and traffic through the simulated mesh.

One case for each thing that a test asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.gateway_statuses import check_status
from tests.conformance.gateway_suite import Seen, Suite
from tests.conformance.table import Case, Table

_INFRA = "gateway-conformance-infra"
_SAMPLES = 500
_TOLERANCE = 0.05
_CODES = {0: "OK", 5: "NotFound", 12: "Unimplemented", 14: "Unavailable"}
_GRPC_OF_HTTP = {200: 0, 404: 12, 503: 14, 500: 2}
_PORTS = {"http": 80, "https": 443}


def cases(table: Table) -> Iterator[Case]:
    """Yield one case for each check of each test."""
    for test in table.data["tests"]:
        suite_at = cache(partial(_suite, table.folder, test))
        flags = {name: test[name] for name in ("needs_manual",) if name in test}
        for kind, step, check in _steps(test):
            yield Case(
                id=f"{test['test']} {step.get('seq', kind)}: {kind}",
                # By their names features can be excepted; `tls` would mean the mesh's own.
                data={
                    **flags,
                    **dict.fromkeys(test["features"], True),
                    "step": [*map(list, step.items())],
                },
                check=partial(_run, suite_at, test, step, check),
            )


def _steps(test: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    for step in test["status"]:
        yield step["check"], step, check_status
    for step in test["traffic"]:
        if step["kind"] != "mutation":
            yield step["kind"], step, _check_traffic
    asking = [step for step in test["traffic"] if step["kind"] != "mutation"]
    for wanted in test.get("distribution", ()):
        yield wanted["kind"], wanted, partial(_check_weights, asking[0] if asking else {})


def _suite(folder: Path, test: Mapping[str, Any], without: str) -> Suite:
    return Suite(folder, test, without=without)


def _run(suite_at: Any, test: Mapping[str, Any], step: Mapping[str, Any], check: Any) -> str | None:
    without = ""
    for each in test["traffic"]:
        if each["kind"] == "mutation" and each["seq"] < step.get("seq", 0):
            if each["op"] != "Delete":
                return f"cannot {each['op']}"
            metadata = each["object"][0]["ObjectMeta"]
            without = f"{metadata['Namespace']}/{metadata['Name']}"
    result: str | None = check(suite_at(without), step)
    return result


def _check_traffic(suite: Suite, step: Mapping[str, Any]) -> str | None:
    kind, expect = step["kind"], step.get("expect") or {}
    if kind == "http.ExpectMirroredRequest":
        return _check_mirrored(suite, step)
    if kind.startswith(("tcp.", "udp.")):
        return _check_bytes(suite, step)
    seen = suite.send(step)
    observation = seen.observation
    failed = observation.status is None
    if expect.get("failure") or expect.get("connection_rejected"):
        return None if failed else f"answered {observation.status}"
    if kind == "grpc":
        return _check_grpc(seen, expect, step)
    if observation.status not in _wanted(expect):
        return f"expected {expect.get('status')}, got {observation.status} ({observation.error})"
    reasons = _check_redirect(seen, step) or _check_headers(seen, expect.get("response") or {})
    if reasons:
        return reasons
    if expect.get("redirect") or observation.status != 200 or _is_preflight(step, seen):
        return None
    return _check_backend(seen, step)


def _wanted(expect: Mapping[str, Any]) -> set[int]:
    wanted = set(expect.get("status") or [200])
    return wanted | ({200} if 204 in wanted else set())


def _is_preflight(step: Mapping[str, Any], seen: Seen) -> bool:
    return step["request"].get("method") == "OPTIONS" and not seen.served


def _check_grpc(seen: Seen, expect: Mapping[str, Any], step: Mapping[str, Any]) -> str | None:
    headers = seen.observation.response_headers or {}
    told = headers.get("grpc-status")
    status = int(told) if told else _GRPC_OF_HTTP.get(seen.observation.status or 0, 2)
    if _CODES.get(status, str(status)) != expect.get("code", "OK"):
        return f"expected {expect.get('code')}, got {status} ({seen.observation})"
    return _check_backend(seen, step) if status == 0 else None


def _check_backend(seen: Seen, step: Mapping[str, Any]) -> str | None:
    expect, request = step["expect"], step["request"]
    backend, namespace = expect.get("backend") or "", expect.get("backend_namespace") or ""
    head = seen.at(backend, namespace)
    if head is None:
        return f"expected to reach {backend}.{namespace}, reached {seen.backends}"
    if step["kind"] == "grpc":
        return None
    wanted = expect.get("upstream_request") or {}
    if step["kind"] == "mesh-http":
        # Of requests within the mesh, the suite compares no more than headers.
        found = _joined(head.headers)
        return _difference(found, wanted.get("headers") or {}, wanted.get("absent_headers") or ())
    path = wanted.get("path") or request.get("path") or "/"
    if head.path != path:
        return f"expected path {path}, the backend saw {head.path}"
    host = wanted.get("host")
    if host and head.authority != host:
        return f"expected host {host}, the backend saw {head.authority}"
    method = wanted.get("method") or request.get("method") or "GET"
    if head.method != method:
        return f"expected method {method}, the backend saw {head.method}"
    found = _joined(head.headers)
    return _difference(found, wanted.get("headers") or {}, wanted.get("absent_headers") or ())


def _joined(pairs: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _difference(found: Mapping[str, str], wanted: Mapping[str, str], absent: Any) -> str | None:
    for name, value in wanted.items():
        if found.get(name.lower()) != value:
            return f"expected {name}: {value}, found {found.get(name.lower())}"
    for name in absent:
        if name.lower() in found:
            return f"expected no {name}, found {found[name.lower()]}"
    return None


def _check_headers(seen: Seen, wanted: Mapping[str, Any]) -> str | None:
    found = dict(seen.observation.response_headers or {})
    spaces = " " if wanted.get("ignore_whitespace") else ""
    for name, values in (wanted.get("valid_header_values") or {}).items():
        got = found.get(name.lower(), "").replace(spaces, "")
        if got not in [each.replace(spaces, "") for each in values]:
            return f"expected {name} to be one of {values}, found {found.get(name.lower())}"
    return _difference(found, wanted.get("headers") or {}, wanted.get("absent_headers") or ())


def _check_redirect(seen: Seen, step: Mapping[str, Any]) -> str | None:
    wanted = step["expect"].get("redirect")
    if not wanted:
        return None
    location = (seen.observation.response_headers or {}).get("location", "")
    parts = urlsplit(location)
    request = step["request"]
    scheme = wanted.get("scheme") or ("https" if step.get("tls") else "http")
    host = wanted.get("host") or urlsplit(f"//{request.get('host') or ''}").hostname
    if parts.scheme != scheme:
        return f"expected scheme {scheme}: {location}"
    if host and parts.hostname != host:
        return f"expected host {host}: {location}"
    if "port" in wanted:
        if str(parts.port or _PORTS[scheme]) != str(wanted["port"]):
            return f"expected port {wanted['port']}: {location}"
    elif step["kind"] != "mesh-http" and parts.port not in (None, _PORTS[scheme]):
        return f"expected no port: {location}"
    path = wanted.get("path") or (request.get("path") or "/")
    return None if parts.path == urlsplit(path).path else f"expected path {path}: {location}"


def _check_mirrored(suite: Suite, step: Mapping[str, Any]) -> str | None:
    copies, path = step["args"]
    sent = {
        "kind": "http",
        "request": {"path": path},
        "to": {"gateway": f"{_INFRA}/same-namespace"},
    }
    seen = suite.send(sent)
    for each in copies:
        backend = each["BackendRef"]
        if seen.at(backend["Name"], backend["Namespace"]) is None:
            return f"expected a copy at {backend}, reached {seen.backends}"
    return None


def _check_bytes(suite: Suite, step: Mapping[str, Any]) -> str | None:
    if step["kind"].startswith("udp."):
        return "UDP is not carried"
    wanted = next((each for each in step["args"] if isinstance(each, dict)), {})
    name = wanted.get("Hostname") or wanted.get("ServerName")
    if not name and True in step["args"]:
        # TLS that the gateway ends is asked for by the name that it is ended for.
        listeners = suite.gateway(step["to"]["gateway"]).spec.listeners
        name = next(each.hostname for each in listeners if each.tls.mode == "Terminate")
    sent = {**step, "tls": {"server_name": name}} if name else step
    seen = suite.send(sent)
    if seen.observation.error is not None:
        return f"no answer: {seen.observation.error}"
    backend = wanted.get("Backend", "")
    found = seen.at(backend, wanted.get("Namespace", ""))
    return None if found is not None else f"expected {backend}, reached {seen.backends}"


def _check_weights(asking: Mapping[str, Any], suite: Suite, step: Mapping[str, Any]) -> str | None:
    counts: Counter[str] = Counter()
    for seed in range(_SAMPLES):
        for ref in suite.send(asking, seed + 1).backends[:1]:
            counts[next((name for name in step["expected"] if ref.startswith(name)), ref)] += 1
    for name, share in step["expected"].items():
        if abs(counts[name] / _SAMPLES - share) > _TOLERANCE or (share == 0 and counts[name]):
            return f"expected {step['expected']}, found {dict(counts)}"
    return None
