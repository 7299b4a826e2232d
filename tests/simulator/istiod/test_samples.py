"""Istio's own samples: every file loads, and those that belong together say nothing wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.config.load import load
from simulator.diagnostics import Level
from simulator.istiod.analyze import analyze
from simulator.istiod.registry import Mesh
from tests.conformance.run import DEFAULT

SAMPLES = DEFAULT / "istio" / "samples"
FILES = sorted(SAMPLES.rglob("*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"there are no samples in {SAMPLES}")


def errors(*files: str | Path) -> list[str]:
    manifests = load([str(SAMPLES / each) for each in files])
    return [str(each) for each in analyze(manifests) if each.level is Level.ERROR]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SAMPLES).as_posix())
def test_a_file_loads(path: Path) -> None:
    manifests = load([str(path)])
    found = (*manifests.diagnostics, *Mesh.of(manifests).diagnostics)

    assert [str(each) for each in found if each.level is Level.ERROR] == []


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(
            (
                "bookinfo/platform/kube/bookinfo.yaml",
                "bookinfo/networking/bookinfo-gateway.yaml",
            ),
            id="bookinfo and its gateway",
        ),
        pytest.param(
            ("httpbin/httpbin.yaml", "httpbin/httpbin-gateway.yaml"), id="httpbin and its gateway"
        ),
        pytest.param(
            ("helloworld/helloworld.yaml", "helloworld/helloworld-gateway.yaml"),
            id="helloworld and its gateway",
        ),
        pytest.param(
            ("tcp-echo/tcp-echo-services.yaml", "tcp-echo/tcp-echo-all-v1.yaml"),
            id="an echo over TCP",
        ),
    ],
)
def test_what_belongs_together_has_no_error(files: tuple[str, ...]) -> None:
    missing = [each for each in files if not (SAMPLES / each).exists()]
    if missing:
        pytest.skip(f"the samples lack {missing}")

    assert errors(*files) == []
