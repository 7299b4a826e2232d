from __future__ import annotations

import pytest

from labs.server.settings import Settings
from tests.labs.server.conftest import LAB, SOLUTION, START, Client, connect

WORK = f"/api/labs/{LAB.id}/work/reviews.yaml"


def save(client: Client, text: str, revision: int) -> int:
    answer = client.put(WORK, json={"text": text, "revision": revision})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["revision"])


def test_the_list_says_how_far_one_is(client: Client) -> None:
    (card,) = client.get("/api/labs").json()
    assert card["id"] == LAB.id
    assert card["points"] == 100
    assert (card["best"], card["passed"], card["begun"]) == (None, False, False)

    save(client, "a: 1", 0)

    assert client.get("/api/labs").json()[0]["begun"] is True


def test_a_lab_brings_all_that_its_page_shows(client: Client) -> None:
    lab = client.get(f"/api/labs/{LAB.id}").json()

    assert [(file["name"], file["editable"]) for file in lab["files"]][:2] == [
        ("reviews.yaml", True),
        ("ratings.yaml", True),
    ]
    assert {file["name"] for file in lab["files"] if not file["editable"]} == set(LAB.given)
    assert [check["id"] for check in lab["checks"]] == [check.id for check in LAB.checks]
    assert all(check["hints"] == 3 for check in lab["checks"])
    assert "<h2>Task 1: version 2 for Jason</h2>" in lab["instructions"]
    assert "productpage-v1.default" in lab["workloads"]
    assert lab["gateways"] == ["istio-ingressgateway.istio-system"]


def test_work_is_kept_across_servers(settings: Settings) -> None:
    with connect(settings) as client:
        save(client, "kept: yes", 0)
    with connect(settings) as client:
        file = client.get(f"/api/labs/{LAB.id}").json()["files"][0]

    assert (file["text"], file["revision"]) == ("kept: yes", 1)
    assert file["start"] == START["reviews.yaml"]


def test_the_second_window_is_told_of_the_first(client: Client) -> None:
    revision = save(client, "first: 1", 0)
    save(client, "second: 2", revision)

    late = client.put(WORK, json={"text": "late: 3", "revision": revision})

    assert late.status_code == 409
    assert late.json()["text"] == "second: 2"
    assert "another window" in late.json()["message"]
    assert save(client, "late: 3", late.json()["revision"]) == late.json()["revision"] + 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/api/labs/no-such-lab", 404, id="lab"),
        pytest.param(f"/api/labs/{LAB.id}/checks/tester/hints/4", 404, id="hint"),
        pytest.param(f"/api/labs/{LAB.id}/checks/nothing/hints/1", 404, id="check"),
        pytest.param("/api/jobs/0123456789abcdef", 404, id="job"),
        pytest.param("/api/nothing", 404, id="route"),
        pytest.param("/assets/old.js", 404, id="asset"),
        pytest.param("/", 503, id="unbuilt-page"),
    ],
)
def test_what_is_not_there_is_said(client: Client, path: str, status: int) -> None:
    answer = client.get(path)

    assert answer.status_code == status
    if status == 404:
        assert answer.json()["message"]


def test_hints_come_one_by_one(client: Client) -> None:
    hint = client.get(f"/api/labs/{LAB.id}/checks/tester/hints/3").json()

    assert (hint["level"], hint["levels"]) == (3, 3)
    assert "<code" in hint["html"]


def test_a_file_of_another_name_is_refused(client: Client) -> None:
    answer = client.put(
        f"/api/labs/{LAB.id}/work/app.yaml", json={"text": "kind: Pod", "revision": 0}
    )

    assert answer.status_code == 404
    assert "reviews.yaml" in answer.json()["hint"]


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(256 * 1024 + 1, id="a-file"),
        pytest.param(2 * 1024 * 1024, id="a-body"),
    ],
)
def test_what_is_too_large_is_refused(client: Client, size: int) -> None:
    answer = client.put(WORK, json={"text": "#" * size, "revision": 0})

    assert answer.status_code == 413
    assert "KiB" in answer.json()["message"]


def test_a_body_of_another_form_is_refused(client: Client) -> None:
    answer = client.put(WORK, json={"words": "a"})

    assert answer.status_code == 422
    assert answer.json()["message"].startswith("text")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("kind: [}", 1, id="not-yaml"),
        pytest.param(START["reviews.yaml"].replace("hosts:", "hosst:"), 7, id="unknown-field"),
    ],
)
def test_a_mistake_is_a_finding_with_its_place(client: Client, text: str, line: int) -> None:
    answer = client.post(
        f"/api/labs/{LAB.id}/diagnostics", json={"files": {**START, "reviews.yaml": text}}
    )

    errors = [each for each in answer.json()["diagnostics"] if each["level"] == "error"]
    assert answer.status_code == 200
    assert ("reviews.yaml", line) in {
        (each["position"]["file"], each["position"]["line"]) for each in errors if each["position"]
    }


def test_the_solution_has_no_findings(client: Client) -> None:
    answer = client.post(f"/api/labs/{LAB.id}/diagnostics", json={"files": SOLUTION})

    assert answer.json() == {"diagnostics": []}
