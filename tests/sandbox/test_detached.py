"""A sandbox that outlives its command: up, ls, exec, down."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import detached
from sandbox.errors import SandboxError, UnknownSandbox
from sandbox.rundir import Entry
from simulator.config.scenario import Request
from tests.sandbox.drivers.traces import working_in
from tests.sandbox.meshes import manifests as shop_manifests
from tests.support.eventually import eventually


@pytest.fixture
def manifests(tmp_path: Path) -> str:
    path = tmp_path / "shop.yaml"
    path.write_text(shop_manifests())
    return str(path)


@pytest.fixture
def shop(manifests: str) -> Iterator[Entry]:
    entry = detached.up([manifests])
    yield entry
    if entry in detached.ls():
        detached.down(entry.id)


def get(url: str) -> Request:
    return Request.model_validate({"from": "productpage-v1.default", "url": url})


@pytest.mark.envoy
def test_it_is_listed_probed_and_gone_after_down(shop: Entry, run_root: Path) -> None:
    assert detached.ls() == (shop,)

    (seen,) = detached.send(shop.id, [get("http://details:9080/")])
    assert seen["status"] == 200

    detached.down(shop.id)
    assert detached.ls() == ()
    assert not working_in(run_root / shop.id)
    with pytest.raises(UnknownSandbox, match=shop.id):
        detached.send(shop.id, [])


@pytest.mark.envoy
def test_a_request_that_cannot_be_carried_is_refused_and_the_sandbox_stays(shop: Entry) -> None:
    with pytest.raises(SandboxError, match="7777"):
        detached.send(shop.id, [get("http://details:7777/")])

    assert detached.ls() == (shop,)


@pytest.mark.envoy
def test_a_killed_holder_leaves_nothing(shop: Entry, run_root: Path) -> None:
    os.kill(shop.owner, signal.SIGKILL)

    eventually(lambda: not working_in(run_root / shop.id), "every process is gone")
    assert detached.ls() == ()


@pytest.mark.envoy
def test_progress_is_told(manifests: str) -> None:
    told: list[str] = []
    entry = detached.up([manifests], on_progress=told.append)
    detached.down(entry.id)

    assert told[0] == "translating the manifests"
    assert any("Envoys are ready" in each for each in told)


def test_manifests_with_errors_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("kind: [")

    with pytest.raises(SandboxError, match=r"broken\.yaml:2"):
        detached.up([str(path)])


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        pytest.param(
            "curl http://a:80/x", {"url": "http://a:80/x", "method": "GET"}, id="a-plain-get"
        ),
        pytest.param("curl a:80", {"url": "http://a:80"}, id="without-a-scheme"),
        pytest.param(
            "curl -s -X PUT -H A:1 -H A:2 -H b:3 -d hello http://a/",
            {"method": "PUT", "headers": {"A": ("1", "2"), "b": "3"}, "body": "hello"},
            id="method-headers-and-body",
        ),
        pytest.param("curl -d x http://a/", {"method": "POST"}, id="a-body-makes-it-a-post"),
    ],
)
def test_curl(command: str, wanted: dict[str, Any]) -> None:
    found = detached.curl(command.split(), "sleep.default")

    assert found.from_ == "sleep.default"
    assert {name: getattr(found, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("", id="nothing"),
        pytest.param("wget http://a/", id="another-program"),
        pytest.param("curl", id="no-url"),
        pytest.param("curl --insecure http://a/", id="an-unknown-option"),
    ],
)
def test_other_commands_are_refused(command: str) -> None:
    with pytest.raises(detached.CommandError, match="Try: "):
        detached.curl(command.split(), "sleep.default")
