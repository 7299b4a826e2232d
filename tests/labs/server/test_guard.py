from __future__ import annotations

import pytest

from labs.server.settings import Settings
from tests.labs.server.conftest import LAB, START, Client, connect

SAVE = (f"/api/labs/{LAB.id}/work/reviews.yaml", {"text": START["reviews.yaml"], "revision": 0})


@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7", "testclient"])
def test_other_machines_are_refused(settings: Settings, address: str) -> None:
    with connect(settings, address) as client:
        assert client.get("/api/labs").status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost:8080", 200, id="name"),
        pytest.param("127.0.0.1:1", 200, id="address"),
        pytest.param("[::1]:8080", 200, id="ipv6"),
        pytest.param("labs.example", 403, id="another-name"),
        pytest.param("localhost.labs.example", 403, id="a-name-that-begins-alike"),
        pytest.param("127.0.0.1@labs.example", 403, id="user-info"),
        pytest.param("", 403, id="none"),
    ],
)
def test_other_names_are_refused(client: Client, host: str, status: int) -> None:
    assert client.get("/api/labs", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="no-browser"),
        pytest.param({"origin": "http://localhost:8080"}, 200, id="own-page"),
        pytest.param({"sec-fetch-site": "same-origin"}, 200, id="own-page-without-origin"),
        pytest.param({"origin": "http://labs.example"}, 403, id="another-site"),
        pytest.param({"origin": "http://localhost:3000"}, 403, id="another-port"),
        pytest.param({"origin": "null"}, 403, id="a-sandboxed-frame"),
        pytest.param({"sec-fetch-site": "cross-site"}, 403, id="cross-site-without-origin"),
    ],
)
def test_other_sites_change_nothing(client: Client, headers: dict[str, str], status: int) -> None:
    path, body = SAVE

    assert client.put(path, json=body, headers=headers).status_code == status


def test_scripts_come_from_here_alone(client: Client) -> None:
    policy = client.get("/api/labs").headers["content-security-policy"]

    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
