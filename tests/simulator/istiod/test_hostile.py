"""Whatever is written, the answer is findings and the best translation of the rest."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.config.load import load_texts
from simulator.envoy.compile import Rejected
from simulator.envoy.compile import compile as compile_resources
from simulator.istiod.analyze import analyze
from simulator.istiod.generate import generate
from simulator.istiod.registry import Mesh
from tests.simulator.istiod.meshes import GOLDEN

DOCUMENTS = [
    document
    for path in sorted(GOLDEN.glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
VALUES: list[Any] = [
    "", 0, -1, 443, 70000, True, None, [], {}, "*", "a", "*.com", "ns/*", "~/*", "reviews", "[",
    "1.2.3.4", "::1", "5s", "ISTIO_MUTUAL", "x" * 300,
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container and key below a value."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield value, key
        yield from places(value[key])


def mutated(chance: random.Random) -> str:
    """Return some documents, most of them with fields lost, replaced or put elsewhere."""
    picked: list[Any] = json.loads(json.dumps(chance.sample(DOCUMENTS, chance.randint(2, 12))))
    for document in picked:
        for _ in range(chance.randint(0, 3)):
            known = list(places(document))
            if not known:
                break
            container, key = chance.choice(known)
            other, at = chance.choice(known)
            what = chance.random()
            if what < 0.3:
                del container[key]
            elif what < 0.8:
                container[key] = chance.choice(VALUES)
            else:
                container[key] = json.loads(json.dumps(other[at]))
    return "\n---\n".join(json.dumps(each) for each in picked)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_bad_configuration_never_raises(seed: int) -> None:
    manifests = load_texts([("mutated.yaml", mutated(random.Random(seed)))])
    mesh = Mesh.of(manifests)

    analyze(manifests)
    for pod in mesh.pods:
        if pod.proxied:
            try:
                compile_resources(generate(mesh, pod).resources)
            except Rejected as refused:
                assert refused.reasons, "Envoy says why"  # noqa: PT017 - it may, not must, refuse
