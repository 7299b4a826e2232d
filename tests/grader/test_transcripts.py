"""What a learner reads for each known attempt, to the letter; and the same marks on real Envoys."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.evidence import Engine, Outcome, Report
from grader.grade import grade
from grader.report import text as text_report
from tests.grader.labs import ATTEMPTS, LAB, attempt
from tests.support.golden import Golden

GOLDEN = Path(__file__).parent / "golden"
BECAUSE = {each.name: (each.fails[0], each.because) for each in LAB.wrong}


def outcomes(report: Report) -> dict[str, Outcome]:
    return {each.check: each.outcome for each in report.verdicts}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_report_reads_as_it_did(name: str, tmp_path: Path, golden: Golden) -> None:
    report = grade(LAB, attempt(name, tmp_path))

    golden.check(GOLDEN / f"{name}.txt", text_report.text(report))


@pytest.mark.envoy
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ATTEMPTS)
def test_real_envoys_give_the_same_marks_for_the_same_reason(name: str, tmp_path: Path) -> None:
    folder = attempt(name, tmp_path)

    real = grade(LAB, folder, Engine.ENVOY)

    assert outcomes(real) == outcomes(grade(LAB, folder))
    if name in BECAUSE:
        check, words = BECAUSE[name]
        assert words in next(each.reason for each in real.verdicts if each.check == check)
