"""What analysis finds, beyond what each object says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from simulator.config.load import load_texts
from simulator.istiod import analyze
from simulator.istiod.registry import Mesh

CASES = yaml.safe_load((Path(__file__).parent / "analysed.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("objects", "found"), [pytest.param(c["objects"], c["found"], id=c["id"]) for c in CASES]
)
def test_analysis_finds(objects: str, found: list[str]) -> None:
    manifests = load_texts([("all.yaml", objects)])
    assert manifests.diagnostics == (), "what the schema says is another test's"

    said = [f"{each.code} {each.resource} {each.field}" for each in analyze.analyze(manifests)]

    assert sorted(said) == sorted(found)


def test_alpha_annotations_are_told_of_on_request_alone() -> None:
    text = """
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {sidecar.istio.io/proxyCPU: "1"}}
spec: {containers: [{name: a}]}
"""
    manifests = load_texts([("pod.yaml", text)])
    (checks,) = analyze.ON_REQUEST.values()
    (found,) = analyze.run(Mesh.as_written(manifests), checks)

    assert found.code == "IST0136"
    assert analyze.analyze(manifests) == ()
