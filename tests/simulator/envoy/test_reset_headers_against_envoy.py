"""Endpoints that say when to come again: who is heeded, against the real Envoy.

The route has half a second, so that a wait of two is not survived.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.envoy.comparing import Case, World, check, routes, world
from tests.simulator.envoy.playing import cluster
from tests.simulator.envoy.real import Backend, http_listener

pytestmark = pytest.mark.envoy

UNTIL = {"reset_headers": [{"name": "x-reset", "format": "UNIX_TIMESTAMP"}]}


def told(name: str, value: str, **back_off: Any) -> Case:
    """Return a request whose first answer is to be tried again, as its `x-reset` says."""
    policy = {
        "retry_on": "retriable-status-codes",
        "retriable_status_codes": [429],
        "retry_back_off": {"base_interval": "0.002s"},
        "rate_limited_retry_back_off": {"reset_headers": [{"name": "X-Reset"}], **back_off},
    }
    return Case(
        name,
        route={"route": {"cluster": "patient", "timeout": "0.5s", "retry_policy": policy}},
        script=f"429+x-reset:{value},200",
    )


CASES = [
    told("longer-than-there-is-time", "2"),
    told("not-at-all", "0"),
    told("in-words", "soon"),
    told("longer-than-is-heeded", "2", max_interval="1s"),
    told("until-long-ago", "2", **UNTIL),
    told("until-long-after", "99999999999", **UNTIL),
]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    table = routes(CASES)
    table["virtual_hosts"][0]["include_request_attempt_count"] = True
    listeners = [http_listener("main", table, [])]
    # Those who wait are many at a time.
    many = {"circuit_breakers": {"thresholds": [{"max_retries": 100}]}}
    folder = tmp_path_factory.mktemp("resets")
    with Backend(1) as backend:
        patient = cluster("patient", *backend.ports, **many)
        with world(CASES, listeners, folder, more_clusters=[patient]) as found:
            found.seen.update(backend.seen)
            yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_an_endpoint_is_heeded_as_by_envoy(compared: World, case: Case) -> None:
    check(compared, case)
