"""Meshes for the tests of the control plane."""

from __future__ import annotations

from pathlib import Path

from simulator.config.load import load_texts
from simulator.config.objects import Manifests
from simulator.istiod.registry import Mesh

GOLDEN = Path(__file__).with_name("golden")
SHOP = (GOLDEN / "bookinfo.yaml").read_text(encoding="utf-8")


def manifests(*texts: str) -> Manifests:
    """Return the shop's manifests and those of the test, which must have no error."""
    named = [("shop.yaml", SHOP), *((f"test{at}.yaml", text) for at, text in enumerate(texts))]
    loaded = load_texts(named)
    assert loaded.ok, "\n".join(str(each) for each in loaded.diagnostics)
    return loaded


def shop(*texts: str) -> Mesh:
    """Return the shop's mesh with the manifests of the test."""
    return Mesh.of(manifests(*texts))
