"""The course's notebooks run from top to bottom; their questions take right answers alone."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_CELL_S = 20

ANSWERS = {"01-a-requests-life": ("passages = 8", 'culprit = "ratings-v1"')}
"""The right answers, in the order of the cells tagged `answer`."""

# pyzmq and jupyter_client warn of their own future on some platforms.
pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


def read(name: str) -> nbformat.NotebookNode:
    path = FOLDER / f"{name}.ipynb"
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def execute(name: str, answers: tuple[str, ...]) -> nbformat.NotebookNode:
    """Run a notebook with these answers in the cells tagged `answer`."""
    notebook = read(name)
    cells = [cell for cell in notebook.cells if "answer" in cell.metadata.get("tags", ())]
    for cell, answer in zip(cells, answers, strict=True):
        cell.source = answer
    NotebookClient(
        notebook,
        timeout=LONGEST_CELL_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    return notebook


def code(cell: nbformat.NotebookNode) -> str:
    """Return a cell's Python, without IPython's magic lines."""
    return "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))


@pytest.fixture(scope="module")
def played() -> dict[str, object]:
    """The names of the first notebook after all its cells but the graded ones."""
    names: dict[str, object] = {}
    with contextlib.chdir(FOLDER):
        for cell in read("01-a-requests-life").cells:
            if cell.cell_type == "code" and "tags" not in cell.metadata:
                exec(code(cell), names)
    return names


def test_every_notebook_has_its_answers_here() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_notebook_runs_and_takes_the_right_answers(name: str) -> None:
    notebook = execute(name, ANSWERS[name])
    checks = [cell for cell in notebook.cells if "check" in cell.metadata.get("tags", ())]
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    pictures = [one for cell in outputs for one in cell if "image/png" in one.get("data", {})]

    assert all(cell.outputs[0].text.startswith("Right") for cell in checks)
    assert pictures


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        pytest.param("check-1", "passages = ...", "in place of the dots", id="no-number"),
        pytest.param("check-1", "passages = 5", "more than once", id="proxies-not-passages"),
        pytest.param("check-1", "passages = 9", "Count the rows", id="miscounted"),
        pytest.param("check-2", "culprit = ...", "in place of the dots", id="no-name"),
        pytest.param("check-2", 'culprit = "rating"', "no workload", id="a-wrong-name"),
        pytest.param("check-2", 'culprit = "productpage-v1"', "waits for somebody", id="a-caller"),
        pytest.param("check-2", 'culprit = "details-v1"', "it is fast", id="a-fast-one"),
    ],
)
def test_a_wrong_answer_is_refused_with_a_hint(
    played: dict[str, object], check: str, answer: str, hint: str
) -> None:
    names = dict(played)
    exec(answer, names)
    (cell,) = (cell for cell in read("01-a-requests-life").cells if cell.id == check)

    with pytest.raises(AssertionError, match=hint):
        exec(code(cell), names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path: Path) -> None:
    cells = [cell for cell in read(path.stem).cells if cell.cell_type == "code"]

    assert not any(cell.outputs or cell.execution_count for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_from_the_front_door_alone(path: Path) -> None:
    cells = [cell for cell in read(path.stem).cells if cell.cell_type == "code"]
    source = "\n".join(code(cell) for cell in cells)
    imported = {
        node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)
    }

    assert imported <= {"simulator", "simulator.views"}
