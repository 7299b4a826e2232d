"""The four packages are found from anywhere, are typed and load only what they need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree.tracked import ROOT, name, tracked

PACKAGES = ("simulator", "sandbox", "grader", "labs")
HEAVY = {"matplotlib", "networkx", "numpy", "pandas", "scipy", "grpc", "fastapi", "simpy"}


def run(folder: Path, program: str) -> object:
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_ours_from_anywhere(package: str, tmp_path: Path) -> None:
    file = run(tmp_path, f"import json, {package}; print(json.dumps({package}.__file__))")

    assert file == str(ROOT / package / "__init__.py")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("package", ["simulator", "labs.cli.main"])
def test_what_is_heavy_is_loaded_late(package: str, tmp_path: Path) -> None:
    loaded = run(tmp_path, f"import json, sys, {package}; print(json.dumps([*sys.modules]))")

    assert isinstance(loaded, list)
    assert HEAVY & {*loaded} == set()


def test_lab_content_is_data() -> None:
    assert [name(path) for path in tracked("labs/catalog/*.py", "notebooks/*.py")] == []
