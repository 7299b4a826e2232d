"""Paths, hosts and the headers of the connection manager against the real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import Case, World, check, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

MANAGERS: dict[str, dict[str, Any]] = {
    "plain": {"normalize_path": False},
    "base": {"normalize_path": True},
    "merge": {"merge_slashes": True},
    "both": {"normalize_path": True, "merge_slashes": True},
    "unescape": {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
    },
    "unescape-alone": {"path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
    "redirect": {
        "normalize_path": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
    },
    "reject": {"path_with_escaped_slashes_action": "REJECT_REQUEST"},
    "hosts": {"strip_any_host_port": True, "strip_trailing_host_dot": True},
    "dots": {"strip_trailing_host_dot": True},
    "edge": {"use_remote_address": True, "via": "me"},
    "hops": {"use_remote_address": True, "xff_num_trusted_hops": 2},
    "inside": {"xff_num_trusted_hops": 1},
    "kept": {"use_remote_address": True, "skip_xff_append": True},
    "appending": {"server_header_transformation": "APPEND_IF_ABSENT", "server_name": "own"},
    "passing": {"server_header_transformation": "PASS_THROUGH"},
    "drop": {"common_http_protocol_options": {"headers_with_underscores_action": "DROP_HEADER"}},
}
PATHS = [
    "", "/", "/a", "/a/", "//", "//a//b//", "/a//b", "/.", "/..", "/./a", "/../a", "/a/.", "/a/..",
    "/a/b/..", "/a/b/../", "/a/../../../b", "/a/../../../..", "/a/./b/../c", "/a/.../b", "/a/..b",
    "/a/b..", "/%2e", "/%2E%2e/a", "/a/%2e%2E", "/a/.%2e/b", "/a%2f", "/a%2F%2fb", "/a%5cb",
    "/a%5C..%2fb", "/a\\b", "/a\\..\\b", "/a%20b", "/%41%62%2d%5f%7e", "/%61%2fb", "/%25", "/%252f",
    "/%zz", "/%", "/%4", "/a%00b", "/a?b=//c/../d%2fe", "/a//?b", "/a/..?b", "/a%2f?b%2f", "/a#b",
    "/a?b#c", "/a;b=c/../d", "/%c3%a4", "/a:b@c", "/a/b/%2e%2e/%2e%2e/%2e%2e/c", "/..//a", "/.//a",
    "/a/.//b", "//..//a", "///..", "/a%2f..%2fb", "/a%2f%2f..",
]  # fmt: skip
PRINTABLE = [chr(code) for code in range(0x21, 0x7F)]
ESCAPES = [f"%{code:02x}" for code in range(1, 0x100)]
HOSTS = [
    "test",
    "test:80",
    "test.",
    "test.:80",
    "test..",
    ".",
    "[::1]",
    "[::1]:80",
    "TEST:x",
    "a:0",
]
FORWARDED = [
    (), ("10.1.1.1",), ("10.1.1.1,10.2.2.2",), ("10.1.1.1, 10.2.2.2, 10.3.3.3",), ("unknown",),
    ("10.1.1.1,unknown",), ("10.1.1.1:8080",), ("::1",), ("[::1]:80",), ("",), ("10.1.1.1,",),
]  # fmt: skip


def path_cases() -> Iterator[Case]:
    for listener in (
        "plain",
        "base",
        "merge",
        "both",
        "unescape",
        "unescape-alone",
        "redirect",
        "reject",
    ):
        for at, path in enumerate(PATHS):
            yield Case(f"{listener}-{at}", path=path, listener=listener)
    yield Case(
        "grpc-redirect",
        path="/a%2fb",
        listener="redirect",
        headers=(("content-type", "application/grpc"),),
    )
    for listener in ("plain", "base"):
        yield Case(
            f"{listener}-printable",
            path="/" + "/".join(one for one in PRINTABLE if one not in "#?"),
            listener=listener,
        )
        yield Case(f"{listener}-escapes", path="/" + "-".join(ESCAPES), listener=listener)
    for listener in ("hosts", "dots", "plain"):
        for at, host in enumerate(HOSTS):
            yield Case(f"{listener}-host-{at}", host=host, listener=listener)


def header_cases() -> Iterator[Case]:
    for listener in ("plain", "edge", "hops", "inside", "kept"):
        for at, forwarded in enumerate(FORWARDED):
            yield Case(
                f"{listener}-forwarded-{at}",
                listener=listener,
                headers=tuple(("x-forwarded-for", one) for one in forwarded),
                route=SHOWN,
            )
        yield Case(
            f"{listener}-proto", listener=listener, headers=(("x-forwarded-proto", "https"),)
        )
        yield Case(
            f"{listener}-steering",
            listener=listener,
            headers=(
                ("x-envoy-max-retries", "1"),
                ("x-envoy-external-address", "1.2.3.4"),
                ("x-envoy-internal", "true"),
                ("x-envoy-decorator-operation", "a"),
                ("via", "1.1 other"),
                ("x-forwarded-client-cert", "By=a"),
            ),
        )
        yield Case(
            f"{listener}-hop-by-hop",
            listener=listener,
            headers=(
                ("keep-alive", "1"),
                ("proxy-connection", "a"),
                ("te", "trailers, x"),
                ("upgrade", "a"),
                ("connection", "x-a"),
                ("x-a", "b"),
            ),
        )
    for listener in ("plain", "appending", "passing"):
        yield Case(f"{listener}-server", listener=listener)
        yield Case(
            f"{listener}-own-server", listener=listener, route={"direct_response": {"status": 200}}
        )
    for listener in ("plain", "drop"):
        yield Case(
            f"{listener}-underscore", listener=listener, headers=(("a_b", "1"), ("a-b", "2"))
        )


SHOWN = {
    "route": {"cluster": "live"},
    "response_headers_to_add": [
        {"header": {"key": "x-client", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}
    ],
}
CASES = [*path_cases(), *header_cases()]


def listeners() -> list[dict[str, Any]]:
    table = routes(CASES)
    # A path may be turned away from its route: the last one takes it.
    table["virtual_hosts"][0]["routes"].append(
        {"name": "rest", "match": {"prefix": "/"}, "route": {"cluster": "live"}}
    )
    found = [http_listener(name, table, []) for name in MANAGERS]
    for listener in found:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager.update(MANAGERS[listener["name"]])
    return found


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(CASES, listeners(), tmp_path_factory.mktemp("paths")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_request_is_admitted_as_by_envoy(compared: World, case: Case) -> None:
    check(compared, case)
