"""Which requests are marked to be traced, against the real Envoy."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.request import Request
from tests.simulator.envoy.playing import cluster, play, proxy, scripted, streamed
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

LOW, HIGH = "00000001-0000-4000-8000-000000000000", "0000270f-0000-4000-8000-000000000000"
INTERNAL = {"x-forwarded-for": "10.0.0.1"}
FORCED = {**INTERNAL, "x-envoy-force-trace": "true"}
ASKED = {"x-client-trace-id": "a"}


def percent(value: float) -> dict[str, float]:
    return {"value": value}


NEVER, HALF = percent(0), percent(50)
SAMPLINGS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "usual": {},
    "half": {"random_sampling": HALF},
    "never-by-chance": {"random_sampling": NEVER},
    "never": {"overall_sampling": NEVER},
    "half-of-all": {"overall_sampling": HALF},
    "clients-not": {"client_sampling": NEVER, "random_sampling": NEVER},
}


@dataclass(frozen=True)
class Case:
    """A request to the listener of a sampling."""

    id: str
    sampling: str
    headers: Mapping[str, str] = field(default_factory=dict)


CASES = [
    Case(f"{sampling}-{what}", sampling, headers)
    for sampling in SAMPLINGS
    for what, headers in {
        "low": {"x-request-id": LOW},
        "high": {"x-request-id": HIGH},
        "odd": {"x-request-id": "my-own-id"},
        "marked": {"x-request-id": HIGH.replace("-4", "-9")},
        "forced": {"x-request-id": HIGH, **FORCED},
        "asked": {"x-request-id": HIGH, **ASKED},
        "forced-from-outside": {"x-request-id": HIGH, "x-envoy-force-trace": "true"},
    }.items()
]


def listener(sampling: str, folder: Path) -> dict[str, Any]:
    host = {
        "name": "h",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "live"}}],
    }
    made = http_listener(sampling, {"virtual_hosts": [host]}, [])
    manager = made["filter_chains"][0]["filters"][0]["typed_config"]
    cidr = {"address_prefix": "10.0.0.0", "prefix_len": 8}
    manager["internal_address_config"] = {"cidr_ranges": [cidr]}
    kind = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
    form = {"text_format_source": {"inline_string": "%REQ(x-case)%\n"}}
    config = {"@type": kind, "path": str(folder / "traceable"), "log_format": form}
    every = {**config, "path": str(folder / "every")}
    manager["access_log"] = [
        {"name": "traceable", "typed_config": config, "filter": {"traceable_filter": {}}},
        {"name": "every", "typed_config": every},
    ]
    tracing = SAMPLINGS[sampling]
    if tracing is not None:
        manager["tracing"] = tracing
    return made


@dataclass
class World:
    """The ids that reached the backend, by case, and the cases that were found traceable."""

    ids: dict[str, str]
    traceable: set[str]
    folder: Path
    backend: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tracing")
    listeners = [listener(sampling, folder) for sampling in SAMPLINGS]
    with Backend(1) as backend:
        port = backend.ports[0]
        with running(listeners, [cluster("live", port)], folder, logged=False) as envoy:
            for case in CASES:
                envoy.ask(case.id, "/", case.headers, listener=case.sampling)
            for _ in range(1000):
                if len((folder / "every").read_text().splitlines()) == len(CASES):
                    break
                threading.Event().wait(0.005)
        ids = {
            case: dict(seen[0]["headers"]).get("x-request-id", "")
            for case, seen in backend.seen.items()
        }
    found = set((folder / "traceable").read_text().splitlines())
    return World(ids, found, folder, port)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_request_is_marked_as_by_envoy(world: World, case: Case) -> None:
    config = listener(case.sampling, world.folder)
    config["address"]["socket_address"]["port_value"] = 1
    one = proxy(config, [cluster("live", world.backend)])
    request = Request(
        method="GET",
        authority="test",
        path="/",
        headers=(("x-case", case.id), *case.headers.items()),
    )
    played = play(streamed(one, request), scripted("200"))

    (attempt,) = played.attempts
    assert attempt.request.first("x-request-id") == world.ids[case.id]
    (traceable, _) = played.stream.entries(0)
    assert traceable[0].filter is not None
    assert traceable[0].filter.passes(traceable[1]) == (case.id in world.traceable)
