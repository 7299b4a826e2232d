"""Whatever is written, the answer is diagnostics and the best translation of the rest."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.config.load import load_texts
from simulator.envoy.compile import Rejected
from simulator.envoy.compile import compile as compile_resources
from simulator.istiod.analyze import analyze
from simulator.istiod.generate import generate
from simulator.istiod.registry import Mesh
from tests.simulator.istiod.broken import broken, corpus

OBJECTS = corpus()
PODS = 3
EXAMPLES = max(300, settings().max_examples)
"""Some hundreds, or what the profile wants: `--hypothesis-profile=deep` tries ten thousand."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(min_value=0, max_value=(1 << 64) - 1))
def test_bad_configuration_never_raises(seed: int) -> None:
    text = broken(OBJECTS, Random(seed))
    manifests = load_texts([("broken.yaml", text)])
    mesh = Mesh.of(manifests)

    # A wrong number of replicas may be a large one: only the first pods are asked.
    proxied = [pod for pod in mesh.pods if pod.proxied][:PODS]
    translations = [generate(mesh, pod) for pod in proxied]
    found = [*analyze(manifests), *(one for each in translations for one in each.diagnostics)]

    assert all(each.message for each in found)
    for each in translations:
        try:
            compile_resources(each.resources)
        except Rejected as refused:
            assert refused.reasons, "Envoy says why"  # noqa: PT017 - it may, not must, refuse
    # Nothing is lost without a word: what was not read has an error of its own.
    assert len(manifests.objects) == text.count("\n---\n") + 1 or manifests.diagnostics
