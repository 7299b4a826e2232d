"""`fidelity` and the demo: both planes side by side, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs import demo
from labs.catalogue import lab
from labs.cli.fidelity import print_comparison
from sandbox.fidelity.compare import Difference
from sandbox.fidelity.replay import Comparison, Finding
from sandbox.fidelity.shares import Share
from tests.labs.cli.conftest import Command


@pytest.mark.envoy
def test_what_agrees_is_counted(meshdojo: Command, shop: Path, tmp_path: Path) -> None:
    requests = tmp_path / "requests.yaml"
    requests.write_text(
        '- {from: productpage-v1.default, url: "http://reviews:9080/", count: 20}\n'
        '- {url: "http://shop.example.com/", count: 5}\n'
    )

    text = meshdojo("fidelity", "-f", shop, "--requests", requests)
    assert text.code == 0
    assert "25 real requests replayed in the simulator: 25 agree, 0 differences" in text.out

    found = meshdojo("fidelity", "-f", shop, "--requests", requests, "-o", "json")
    document = json.loads(found.out)
    assert document["schema"] == "fidelity.v1"
    (result,) = document["results"]
    assert (result["ok"], result["comparison"]["agreed"]) == (True, 25)


def test_each_difference_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    difference = Difference(field="hops[0].route", observed="a", simulated="b")
    share = Share(
        proxy="a-0.default",
        among="route split of reviews",
        choice="v1",
        expected=0.5,
        taken=90,
        of=100,
        low=0.8,
        high=0.95,
    )
    found = Comparison(
        n=2,
        agreed=1,
        differences=(Finding(id="jason", n=1, difference=difference),),
        shares=(share,),
        simulated_shares=(),
    )

    print_comparison(found)

    said = capsys.readouterr().out
    assert "jason #1: hops[0].route: observed 'a', simulated 'b'" in said
    assert "route split of reviews: v1 90 of 100, expected 50.0%" in said


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        pytest.param(["-f", "shop.yaml"], 2, "nothing to send", id="no-requests"),
        pytest.param(
            ["-f", "shop.yaml", "--requests", "r.yaml", "--driver", "magic"],
            3,
            "driver magic",
            id="an-unknown-driver",
        ),
    ],
)
def test_what_cannot_be_compared(
    meshdojo: Command,
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    wanted: str,
) -> None:
    monkeypatch.chdir(shop.parent)
    Path("r.yaml").write_text("- url: http://shop.example.com/\n")

    found = meshdojo("fidelity", *arguments)

    assert (found.code, found.out) == (code, "")
    assert wanted in found.err


@pytest.mark.envoy
def test_the_demo_compares_so_many_requests_of_the_lab() -> None:
    compared = demo.comparison(lab("canary-release"), 40)

    assert (compared.n, compared.agreed, compared.ok) == (40, 40, True)


def test_the_demo_explains_a_request_down_to_the_manifest_line() -> None:
    seen = demo.explained(lab("canary-release"))

    assert (seen.id, seen.status, seen.route) == ("jason", 200, "tester")
    assert "reviews.yaml:" in str(seen.explain)
