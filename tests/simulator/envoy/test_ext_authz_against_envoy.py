"""Requests that a service must let pass: the simulated proxy against the real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import FILTERS, Case, World, check, http_filter, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy


def names(*exact: str, prefix: str = "") -> dict[str, Any]:
    patterns = [{"exact": one} for one in exact] + ([{"prefix": prefix}] if prefix else [])
    return {"patterns": patterns}


ASKED = names("x-auth", "x-case", prefix="x-sent")
URI = {"uri": "authority.example:80", "cluster": "authority", "timeout": "0.25s"}
NOWHERE = {**URI, "cluster": "nowhere-to-ask"}
TOLD = {
    "allowed_upstream_headers": names("x-user", prefix="x-up"),
    "allowed_upstream_headers_to_append": names("x-more"),
    "allowed_client_headers": names("x-why"),
    "allowed_client_headers_on_success": names("x-welcome"),
}
SERVICE = {"server_uri": URI, "path_prefix": "/check"}
ENABLED = {
    "filter": "granted",
    "path": [{"key": "ask"}],
    "value": {"string_match": {"exact": "yes"}},
}
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {"http_service": SERVICE},
    "told": {"http_service": {**SERVICE, "authorization_response": TOLD}},
    "adding": {
        "http_service": {
            **SERVICE,
            "authorization_request": {"headers_to_add": [{"key": "x-added", "value": "a"}]},
        }
    },
    "open": {"http_service": SERVICE, "failure_mode_allow": True},
    "open-told": {
        "http_service": SERVICE,
        "failure_mode_allow": True,
        "failure_mode_allow_header_add": True,
    },
    "status": {"http_service": SERVICE, "status_on_error": {"code": "ServiceUnavailable"}},
    "nobody": {"http_service": {"server_uri": NOWHERE}},
    "never": {
        "http_service": SERVICE,
        "filter_enabled": {"default_value": {"numerator": 0}},
    },
    "by-metadata": {"http_service": SERVICE, "filter_enabled_metadata": ENABLED},
    "not-by-metadata": {
        "http_service": SERVICE,
        "filter_enabled_metadata": {**ENABLED, "invert": True},
    },
    "holding": {"http_service": SERVICE, "with_request_body": {"max_request_bytes": 5}},
    "cutting": {
        "http_service": SERVICE,
        "with_request_body": {"max_request_bytes": 5, "allow_partial_message": True},
    },
    "hidden": {"http_service": SERVICE, "disallowed_headers": names("x-sent-b")},
}
SENT = (("x-sent-a", "1"), ("x-sent-b", "2"), ("x-not", "3"), ("authorization", "a"))
STEPS = [
    "200",
    "200+x-user:me+x-up-a:1+x-more:2+x-welcome:3+x-other:4",
    "401+x-why:no+x-other:4+www-authenticate:b",
    "403",
    "302+location:c",
    "500",
    "503",
    "close",
    "hang",
]


def cases() -> Iterator[Case]:
    for name in CONFIGS:
        for at, step in enumerate(STEPS):
            if step == "hang" and name not in ("plain", "open"):
                continue
            yield Case(
                f"{name}-{at}",
                path="/a?b=c",
                headers=(*SENT, ("x-auth", step), ("x-more", "0"), ("x-user", "forged")),
                listener=name,
            )
    switched = {"@type": FILTERS + "ext_authz.v3.ExtAuthzPerRoute", "disabled": True}
    yield Case("switched-off", {"authz": switched}, headers=(("x-auth", "403"),), listener="plain")
    yield Case("post", method="POST", headers=(("x-auth", "200"),), listener="plain")
    yield Case(
        "grpc-client",
        listener="plain",
        headers=(("x-auth", "403"), ("content-type", "application/grpc")),
    )
    yield Case(
        "grpc-client-failed",
        listener="plain",
        headers=(("x-auth", "500"), ("content-type", "application/grpc")),
    )


def body_cases() -> Iterator[Case]:
    kind = {"@type": FILTERS + "ext_authz.v3.ExtAuthzPerRoute"}
    settings: dict[str, dict[str, Any]] = {
        "": {},
        "-not-held": {"disable_request_body_buffering": True},
        "-held-more": {"with_request_body": {"max_request_bytes": 9}},
    }
    for name in ("holding", "cutting"):
        for more, config in settings.items():
            for body in ("", "12345", "123456", "1234567890"):
                yield Case(
                    f"body-{name}{more}-{len(body)}",
                    {"authz": {**kind, "check_settings": config}} if config else {},
                    headers=(("x-auth", "200"), ("content-length", str(len(body)))),
                    method="POST",
                    listener=name,
                    body=body,
                )


CASES = [*cases(), *body_cases()]


def listeners() -> list[dict[str, Any]]:
    table = routes(CASES)
    metadata = http_filter(
        "metadata",
        "set_metadata.v3.Config",
        metadata=[{"metadata_namespace": "granted", "value": {"ask": "yes"}}],
    )
    return [
        http_listener(
            name,
            table,
            [metadata, http_filter("authz", "ext_authz.v3.ExtAuthz", allowed_headers=ASKED, **one)],
        )
        for name, one in CONFIGS.items()
    ]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(CASES, listeners(), tmp_path_factory.mktemp("authz")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_service_is_asked_and_obeyed_as_by_envoy(compared: World, case: Case) -> None:
    check(compared, case)
