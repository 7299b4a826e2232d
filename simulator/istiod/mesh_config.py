"""Find the configuration of the whole mesh in its manifests.

Follows   istio pkg/config/mesh/kubemesh (ReadConfigMap)
"""

from __future__ import annotations

from simulator.config.istio import MeshConfig
from simulator.config.objects import Manifests
from simulator.config.yaml import read_model
from simulator.diagnostics import Diagnostic
from simulator.istiod import names

_NAME = "istio"
_KEY = "mesh"


def mesh_config(manifests: Manifests) -> tuple[MeshConfig, tuple[Diagnostic, ...]]:
    """Return the ConfigMap `istio`'s, else an IstioOperator's, else the default."""
    for each in manifests.of("ConfigMap"):
        if (each.name, each.namespace) == (_NAME, names.ROOT_NAMESPACE) and _KEY in each.spec.data:
            text = each.spec.data[_KEY]
            found, mistakes = read_model(f"{each.position.file} data.{_KEY}", text, MeshConfig)
            return found or MeshConfig(), mistakes
    for each in manifests.of("IstioOperator"):
        if each.spec.mesh_config is not None:
            return each.spec.mesh_config, ()
    return MeshConfig(), ()
