from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import detached
from tests.labs.cli.conftest import Command
from tests.sandbox.drivers.traces import working_in

pytestmark = pytest.mark.envoy


@pytest.fixture(autouse=True)
def nothing_up() -> Iterator[None]:
    yield
    for entry in detached.ls():
        detached.down(entry.id)


def test_a_mesh_from_up_to_down(meshdojo: Command, shop: Path, run_root: Path) -> None:
    started = meshdojo("sandbox", "up", "-f", shop)
    assert started.code == 0
    sandbox = started.out.strip()

    (listed,) = json.loads(meshdojo("sandbox", "ls", "-o", "json").out)["sandboxes"]
    assert listed["id"] == sandbox
    assert listed["usage"]["processes"] >= 14  # seven Envoys, more workloads
    assert listed["usage"]["memory_bytes"] > 20 * 1024 * 1024
    assert listed["usage"]["cpu_s"] > 0
    assert sandbox in meshdojo("sandbox", "ls").out

    curl = ("--", "curl", "-H", "end-user: jason", "http://reviews:9080/")
    text = meshdojo("sandbox", "exec", sandbox, "productpage-v1.default", *curl)
    assert (text.code, text.out.splitlines()[0].startswith("HTTP 200 in ")) == (0, True)
    assert "x-workload-version: v2" in text.out
    seen = meshdojo("sandbox", "exec", "-o", "json", sandbox, "productpage-v1.default", *curl)
    assert json.loads(seen.out)["upstream"]["workload"] == "reviews-v2.default"

    for workload, command, wanted in (
        ("nobody.default", curl, "no pod or Deployment 'nobody.default'"),
        ("outside", ("--", "wget", "http://reviews/"), "only curl is understood"),
    ):
        refused = meshdojo("sandbox", "exec", sandbox, workload, *command)
        assert (refused.code, refused.out) == (2, "")
        assert wanted in refused.err

    part = "envoy reviews-v2-0.default"
    assert meshdojo("sandbox", "fault", sandbox, "kill", part).code == 0
    missed = meshdojo("sandbox", "exec", sandbox, "productpage-v1.default", *curl)
    assert missed.out.startswith("HTTP 503 in ")
    unknown = meshdojo("sandbox", "fault", sandbox, "melt")
    assert (unknown.code, "there is kill, start" in unknown.err) == (3, True)

    assert meshdojo("sandbox", "down", sandbox).code == 0
    assert not working_in(run_root / sandbox)
    assert "No sandbox is up" in meshdojo("sandbox", "ls").err


def test_all_go_down_at_once(meshdojo: Command, shop: Path) -> None:
    first = meshdojo("sandbox", "up", "-f", shop, "-o", "json")

    assert f"{json.loads(first.out)['id']} is down" in meshdojo("sandbox", "down", "--all").out
    assert detached.ls() == ()


@pytest.mark.parametrize("arguments", [[], ["1234", "--all"]])
def test_down_takes_an_id_or_all(meshdojo: Command, arguments: list[str]) -> None:
    found = meshdojo("sandbox", "down", *arguments)

    assert found.code == 2
    assert "give just one" in found.err
