"""Requests that ask for another protocol: the simulated proxy against the real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import Case, World, check, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

WEBSOCKET = (("connection", "Upgrade"), ("upgrade", "websocket"))
MANAGERS: dict[str, dict[str, Any]] = {
    "silent": {},
    "allows": {"upgrade_configs": [{"upgrade_type": "WebSocket"}, {"upgrade_type": "spoken"}]},
    "forbids": {"upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}]},
}
FORBIDDEN = {"upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}]}
ALLOWED = {"upgrade_configs": [{"upgrade_type": "WEBSOCKET"}]}


def forward(**action: Any) -> dict[str, Any]:
    return {"route": {"cluster": "live", **action}}


def cases() -> Iterator[Case]:
    for one in MANAGERS:
        yield Case(f"{one}-asked", headers=WEBSOCKET, listener=one)
        yield Case(f"{one}-route-allows", headers=WEBSOCKET, listener=one, route=forward(**ALLOWED))
        yield Case(
            f"{one}-route-forbids", headers=WEBSOCKET, listener=one, route=forward(**FORBIDDEN)
        )
        yield Case(
            f"{one}-answered-by-the-route",
            headers=WEBSOCKET,
            listener=one,
            route={"direct_response": {"status": 200}},
        )
    asked = {
        "among-others": (("connection", "keep-alive, UPGRADE"), ("upgrade", "WebSocket")),
        "without-connection": (("upgrade", "websocket"),),
        "without-upgrade": (("connection", "upgrade"),),
        "not-a-web-socket": (("connection", "upgrade"), ("upgrade", "spoken")),
        "another-protocol": (("connection", "upgrade"), ("upgrade", "other")),
        "two-protocols": (("connection", "upgrade"), ("upgrade", "websocket, other")),
        "http2": (("connection", "upgrade"), ("upgrade", "h2c")),
        "named-header": (("connection", "upgrade, x-own"), *WEBSOCKET[1:], ("x-own", "1")),
    }
    for name, headers in asked.items():
        yield Case(name, headers=headers, listener="allows")
    for script in ("503", "302", "404", "200+a:b"):
        name = f"answered-{script.partition('+')[0]}"
        yield Case(name, headers=WEBSOCKET, listener="allows", script=script)
    again = {"retry_policy": {"retry_on": "5xx", "num_retries": 2}}
    yield Case(
        "tried-again", headers=WEBSOCKET, listener="allows", script="503", route=forward(**again)
    )


CASES = list(cases())


def listener(name: str) -> dict[str, Any]:
    table = routes(case for case in CASES if case.listener == name)
    made = http_listener(name, table, [])
    made["filter_chains"][0]["filters"][0]["typed_config"].update(MANAGERS[name])
    return made


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("envoy")
    with world(CASES, [listener(name) for name in MANAGERS], folder) as found:
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_as_the_real_envoy(compared: World, case: Case) -> None:
    check(compared, case)
