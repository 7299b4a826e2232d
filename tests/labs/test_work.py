from __future__ import annotations

from pathlib import Path

import pytest

from grader.lab import Lab
from labs import work
from labs.catalogue import lab


@pytest.fixture
def canary() -> Lab:
    return lab("canary-release")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_start_holds_all_that_the_lab_gives(canary: Lab, tmp_path: Path) -> None:
    written = work.start(canary, tmp_path / "mine")

    assert {each.name for each in written} == {*canary.files, *canary.given}
    for name in canary.files:
        assert (tmp_path / "mine" / name).read_text() == (canary.start_folder / name).read_text()


def test_a_second_start_changes_nothing(canary: Lab, tmp_path: Path) -> None:
    work.start(canary, tmp_path)

    assert work.start(canary, tmp_path) == ()


@pytest.mark.parametrize("put", [work.start, work.solve])
def test_work_is_never_overwritten(canary: Lab, tmp_path: Path, put: object) -> None:
    (tmp_path / canary.files[-1]).write_text("mine")

    with pytest.raises(work.WorkError, match="differs; nothing was written"):
        put(canary, tmp_path)  # type: ignore[operator]

    assert contents(tmp_path) == {canary.files[-1]: "mine"}


def test_a_file_in_place_of_the_folder_is_said(canary: Lab, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()

    with pytest.raises(work.WorkError, match="cannot be written"):
        work.start(canary, tmp_path / "taken")


def test_the_folder_named_after_the_lab_is_the_usual_one(
    canary: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert work.folder_of(canary, None) == Path()

    (tmp_path / canary.id).mkdir()
    assert work.folder_of(canary, None) == Path(canary.id)
    with pytest.raises(work.WorkError, match="lab start canary-release"):
        work.folder_of(canary, Path("elsewhere"))
